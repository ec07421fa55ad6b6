"""A machine that goes down again and again: a long stage continues from its checkpoint, and comes to its end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from worker.queue.dispatcher import sweep
from worker.registry import Engine, JobRow, reading, unit_of_work
from worker.settings import Settings

REBOOTS = 5

WORKER = """
import os, sys, threading
from worker.queue.tasks import run_job
from worker.registry import open_engine
from worker.settings import Settings
settings = Settings.from_environment(os.environ)
run_job(settings, open_engine(settings.database_url), sys.argv[1], threading.Event(), runner_command=sys.argv[2:])
"""
RUNNER = [sys.executable, str(Path(__file__).parent / "fake_runner.py")]


def job_of(engine: Engine, job_id: str) -> JobRow:
    with reading(engine) as registry:
        return registry.jobs.get(job_id)


def until(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def go_down(worker: subprocess.Popen[bytes], engine: Engine) -> None:
    """Kill the worker with its runner; when the machine is up again, the lease has ended and a dispatcher sweeps."""
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET lease_until = 0 WHERE state = 'running'"))
    sweep(engine)


@pytest.mark.long  # each start of a worker and of its runner takes a second
def test_five_reboots_in_one_long_stage_cost_a_job_none_of_its_attempts(settings: Settings, engine: Engine) -> None:
    with unit_of_work(engine) as registry:
        job_id = registry.jobs.insert("recommend", {"do": "creep", "last": REBOOTS}).id
    environment = {**os.environ, **settings.as_environment()}

    def work() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", WORKER, job_id, *RUNNER], env=environment, start_new_session=True
        )

    for reboot in range(1, REBOOTS + 1):
        worker = work()
        name = f"checkpoints/{job_id}/{reboot}-1"
        until(lambda name=name: (job_of(engine, job_id).checkpoint or {}).get("name") == name)
        go_down(worker, engine)
        found = job_of(engine, job_id)
        assert (found.state, found.failures, found.attempt) == ("queued", 0, reboot)
    assert work().wait(60) == 0
    ended = job_of(engine, job_id)
    assert (ended.state, ended.result) == ("succeeded", {"steps": REBOOTS})
