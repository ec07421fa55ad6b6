"""Writers of one process take turns on SQLite; SQLite itself would let them sleep between attempts."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event

from worker.errors import DatabaseUnavailableError
from worker.registry import Engine, open_engine, reading, unit_of_work
from worker.registry import session as sessions
from worker.registry.schema import migrate


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path / 'registry.sqlite3'}"
    migrate(url)
    opened = open_engine(url)
    yield opened
    opened.dispose()


def queue(engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        registry.jobs.insert("recommend", {})


def test_a_writer_begins_once_the_one_before_has_ended(engine: Engine) -> None:
    begun: list[str] = []
    event.listen(engine, "begin", lambda connection: begun.append(threading.current_thread().name), insert=True)
    second = threading.Thread(target=queue, args=(engine,), name="second")
    with unit_of_work(engine) as registry:
        registry.jobs.insert("recommend", {})
        second.start()
        second.join(0.3)
        assert begun == ["MainThread"], "the other one asks SQLite for nothing yet"
    second.join(20)
    assert begun == ["MainThread", "second"]
    with reading(engine) as registry:
        assert len(registry.jobs.list()) == 2


def test_a_turn_that_does_not_come_is_an_unavailable_database(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "BUSY_SECONDS", 0.05)
    with unit_of_work(engine), pytest.raises(DatabaseUnavailableError, match="locked"):
        queue(engine)


def test_a_writer_that_fails_gives_its_turn_back(engine: Engine) -> None:
    with pytest.raises(ZeroDivisionError), unit_of_work(engine):
        1 / 0  # noqa: B018
    queue(engine)
