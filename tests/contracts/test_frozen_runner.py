"""A runner that is frozen inside a transaction is ended by its worker, whose decision needs no database."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from worker.queue.tasks import run_job
from worker.registry import Engine, JobRow, reading, unit_of_work
from worker.settings import Settings

RUNNER = [sys.executable, str(Path(__file__).parents[1] / "worker" / "fake_runner.py")]
LEASE_SECONDS = 4.0


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    environment = {"LDNAS_HOME": str(tmp_path), "LDNAS_DEVICE": "cpu", "LDNAS_DATABASE_URL": database_url}
    return replace(Settings.from_environment(environment), lease_seconds=LEASE_SECONDS)


def queue_job(engine: Engine, **params: object) -> str:
    with unit_of_work(engine) as registry:
        return registry.jobs.insert("recommend", params).id


def get(engine: Engine, job_id: str) -> JobRow:
    with reading(engine) as registry:
        return registry.jobs.get(job_id)


def run(settings: Settings, engine: Engine, job_id: str) -> JobRow:
    run_job(settings, engine, job_id, threading.Event(), runner_command=RUNNER)
    return get(engine, job_id)


@pytest.mark.parametrize(("reached", "failures"), [(0.0, 1), (0.5, 0)])
def test_its_job_is_queued_again_and_the_attempt_counts_only_without_progress(
    settings: Settings, engine: Engine, reached: float, failures: int
) -> None:
    job_id = queue_job(engine, do="freeze inside", reached=reached)
    began = time.monotonic()
    job = run(settings, engine, job_id)
    assert time.monotonic() - began < LEASE_SECONDS + 4, "no limit of the database is as short"
    assert (job.state, job.attempt, job.failures) == ("queued", 1, failures)
    with reading(engine) as registry:
        reason = registry.jobs.events_after(job_id)[-1].data["reason"]
    assert reason == "its lease could not be renewed within 4 s"


def test_a_job_that_freezes_at_the_same_place_again_and_again_fails(settings: Settings, engine: Engine) -> None:
    job_id = queue_job(engine, do="freeze inside", reached=0.5)
    assert [run(settings, engine, job_id).failures for _ in range(3)] == [0, 1, 2]
    job = run(settings, engine, job_id)
    assert (job.state, job.failures, job.error and job.error["code"]) == ("failed", 3, "attempts_exhausted")


def test_others_write_while_it_is_frozen_or_soon_after(settings: Settings, engine: Engine) -> None:
    frozen = queue_job(engine, do="freeze inside", reached=0.5)
    other = queue_job(engine, do="finish")
    running = threading.Thread(target=run, args=(settings, engine, frozen))
    running.start()
    while (get(engine, frozen).progress or {}).get("fraction") != 0.5:  # on a busy machine a runner starts late
        time.sleep(0.1)
    time.sleep(1.0)
    began = time.monotonic()
    assert run(settings, engine, other).state == "succeeded"
    assert time.monotonic() - began < LEASE_SECONDS + 4
    running.join(20)
    assert get(engine, frozen).state == "queued"


@contextmanager
def database_held(engine: Engine, job_id: str) -> Iterator[None]:
    """A transaction of a process that works has locked the job's row, on SQLite the database."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT id FROM jobs WHERE id = :id FOR UPDATE"), {"id": job_id})
        else:
            connection.execute(text("SELECT 1"))  # transactions begin with the lock of writers
        yield
        connection.rollback()


def test_the_decision_waits_for_no_database(settings: Settings, engine: Engine, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    job_id = queue_job(engine, do="hang", pids=str(pids))
    running = threading.Thread(target=run, args=(settings, engine, job_id))
    running.start()
    while not pids.exists():
        time.sleep(0.05)
    runner = Path("/proc") / pids.read_text().split()[0]
    with database_held(engine, job_id):
        began = time.monotonic()
        while runner.exists() and time.monotonic() - began < 3 * LEASE_SECONDS:
            time.sleep(0.05)
        assert time.monotonic() - began < LEASE_SECONDS + 1
    running.join(30)
    assert get(engine, job_id).state == "queued"
