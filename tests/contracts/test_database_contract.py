"""Transactions and migrations, alike on SQLite and PostgreSQL."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic import command
from sqlalchemy import inspect, text

from worker.errors import DatabaseUnavailableError
from worker.registry import DatabaseNow, Engine, open_engine, reading, unit_of_work
from worker.registry.base import Base
from worker.registry.schema import alembic_config, is_current, migrate


def test_migrations_and_models_have_the_same_schema(engine: Engine) -> None:
    with engine.begin() as connection:
        command.check(alembic_config(connection))


def test_migrations_can_be_undone(engine: Engine) -> None:
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "base")
    assert not is_current(engine)
    assert inspect(engine).get_table_names() == ["alembic_version"]


def test_a_database_is_current_after_migration_and_not_before(empty_database_url: str) -> None:
    engine = open_engine(empty_database_url)
    if engine.dialect.name == "postgresql":  # the file of the other does not exist yet
        assert not is_current(engine)
    migrate(empty_database_url)
    migrate(empty_database_url)
    assert is_current(engine)
    assert set(inspect(engine).get_table_names()) == {*Base.metadata.tables, "alembic_version"}
    engine.dispose()


@pytest.mark.parametrize(("revision", "works"), [("0001", False), ("9999", True)])
def test_a_later_schema_is_worked_on_and_an_earlier_one_is_not(engine: Engine, revision: str, works: bool) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    assert is_current(engine) is works


def test_asking_for_the_schema_does_not_wait_for_a_writer(engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        registry.jobs.insert("recommend", {})
        assert is_current(engine)


def test_two_processes_may_migrate_at_once(empty_database_url: str) -> None:
    code = "import sys; from worker.registry.schema import migrate; migrate(sys.argv[1])"
    processes = [
        subprocess.Popen([sys.executable, "-c", code, empty_database_url], stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    ends = [(process.communicate(timeout=60)[1], process.returncode) for process in processes]
    assert [status for _, status in ends] == [0, 0], ends
    engine = open_engine(empty_database_url)
    assert is_current(engine)
    engine.dispose()


def test_a_unit_of_work_that_raises_writes_nothing(engine: Engine) -> None:
    def insert_and_fail() -> None:
        with unit_of_work(engine) as registry:
            registry.jobs.insert("recommend", {})
            raise LookupError

    with pytest.raises(LookupError):
        insert_and_fail()
    with reading(engine) as registry:
        assert registry.jobs.list() == []


def test_rows_stay_readable_after_the_transaction(engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        job = registry.jobs.insert("recommend", {"task": {"deep": [1, 2.5, None]}})
    assert job.params == {"task": {"deep": [1, 2.5, None]}}
    assert job.state == "queued"
    assert job.created_at > 1.7e9


def test_reading_refuses_to_write_and_leaves_the_connection_able_to(engine: Engine) -> None:
    with pytest.raises(Exception, match=r"read.?only"), reading(engine) as registry:
        registry.jobs.insert("recommend", {})
    with unit_of_work(engine) as registry:
        registry.jobs.insert("recommend", {})


def test_a_reading_transaction_sees_one_moment(engine: Engine) -> None:
    with reading(engine) as registry:
        assert registry.jobs.list() == []
        with unit_of_work(engine) as writing:
            writing.jobs.insert("recommend", {})
        assert registry.jobs.list() == [], "a row that was committed in between"
    with reading(engine) as registry:
        assert len(registry.jobs.list()) == 1


def test_writers_that_read_first_wait_for_each_other(engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        job_id = registry.jobs.insert("recommend", {}).id
        registry.leases.claim(job_id, worker="w", lease_seconds=60)
        recommendation_id = registry.recommendations.insert(job_id=job_id, task_id="t", request={}).id

    def merge(number: int) -> None:
        with unit_of_work(engine) as registry:
            registry.recommendations.get(recommendation_id)  # SQLite could not turn a reader into a writer
            registry.recommendations.merge_document(recommendation_id, job_id, 1, {str(number): number})

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(merge, range(24)))
    with reading(engine) as registry:
        assert registry.recommendations.get(recommendation_id).document == {str(n): n for n in range(24)}


def test_the_clock_is_the_databases_and_moves_within_a_transaction(engine: Engine) -> None:
    with engine.begin() as connection:
        first = connection.scalar(DatabaseNow().select())
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_sleep(0.02)"))
            assert connection.scalar(DatabaseNow().select()) >= first + 0.02
        assert isinstance(first, float)


@pytest.mark.parametrize("url", ["sqlite:////nowhere/at/all/x.sqlite3", "postgresql://localhost:1/nothing"])
def test_a_database_that_cannot_be_reached_raises_one_error(url: str) -> None:
    engine = open_engine(url)

    def write() -> None:
        with unit_of_work(engine) as registry:
            registry.jobs.insert("recommend", {})

    def read() -> None:
        with reading(engine) as registry:
            registry.jobs.list()

    for attempt in (write, read, lambda: is_current(engine)):
        with pytest.raises(DatabaseUnavailableError):
            attempt()
