"""The effect of one message, with a stand-in for the runner, over SQLite."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from worker.queue import tasks
from worker.queue.dispatcher import sweep
from worker.queue.tasks import run_job
from worker.registry import Engine, JobRow, open_engine, reading, unit_of_work
from worker.registry.schema import migrate
from worker.settings import Settings

RUNNER = [sys.executable, str(Path(__file__).parent / "fake_runner.py")]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings.from_environment({"LDNAS_HOME": str(tmp_path), "LDNAS_DEVICE": "cpu"})
    migrate(made.database_url)
    return made


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    opened = open_engine(settings.database_url)
    yield opened
    opened.dispose()


def queue_job(engine: Engine, **params: object) -> str:
    with unit_of_work(engine) as registry:
        return registry.jobs.insert("recommend", params).id


def get(engine: Engine, job_id: str) -> JobRow:
    with reading(engine) as registry:
        return registry.jobs.get(job_id)


def reason(engine: Engine, job_id: str) -> str:
    with reading(engine) as registry:
        return registry.jobs.events_after(job_id)[-1].data["reason"]


def run(settings: Settings, engine: Engine, job_id: str) -> JobRow:
    run_job(settings, engine, job_id, threading.Event(), runner_command=RUNNER)
    return get(engine, job_id)


class Hanging:
    """A job whose runner, with a child of its own, hangs until another process ends it."""

    def __init__(self, settings: Settings, engine: Engine, tmp_path: Path, kind: str = "hang") -> None:
        self.pids_file = tmp_path / "pids"
        self.job_id = queue_job(engine, do=kind, pids=str(self.pids_file))
        self.stopping = threading.Event()
        arguments = (settings, engine, self.job_id, self.stopping)
        self.thread = threading.Thread(target=run_job, args=arguments, kwargs={"runner_command": RUNNER})
        self.thread.start()
        self.pids = self._wait_for_pids()

    def _wait_for_pids(self) -> list[int]:
        for _ in range(600):
            if self.pids_file.exists():
                return [int(pid) for pid in self.pids_file.read_text().split()]
            time.sleep(0.05)
        raise AssertionError("the runner did not start")

    def join(self) -> None:
        self.thread.join(30)
        assert not self.thread.is_alive()
        deadline = time.monotonic() + 5  # a killed process needs a moment to go
        while any(map(is_alive, self.pids)) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert [pid for pid in self.pids if is_alive(pid)] == []


def is_alive(pid: int) -> bool:
    """Whether the process runs: an orphan that no process has collected yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_message_delivered_twice_runs_once(settings: Settings, engine: Engine) -> None:
    job_id = queue_job(engine, do="finish")
    first = run(settings, engine, job_id)
    assert (first.state, first.result) == ("succeeded", {"device": "cpu"})
    again = run(settings, engine, job_id)
    assert (again.attempt, again.finished_at) == (1, first.finished_at)


def test_a_message_for_a_job_that_is_gone_does_nothing(settings: Settings, engine: Engine) -> None:
    run_job(settings, engine, "0" * 32, threading.Event(), runner_command=["/nowhere/at/all"])


def test_a_worker_that_is_stopping_takes_no_job(settings: Settings, engine: Engine) -> None:
    job_id = queue_job(engine, do="finish")
    stopping = threading.Event()
    stopping.set()
    run_job(settings, engine, job_id, stopping, runner_command=RUNNER)
    assert get(engine, job_id).attempt == 0


def test_an_end_that_the_runner_recorded_stands(settings: Settings, engine: Engine) -> None:
    job = run(settings, engine, queue_job(engine, do="fail"))
    assert (job.state, job.error, job.failures) == ("failed", {"code": "too_few_images"}, 0)


def test_a_runner_that_recorded_the_end_may_tidy_up_for_longer_than_one_that_lost_its_job(
    settings: Settings,
    engine: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(tasks, "LEAVING_SECONDS", 0.0)
    caplog.set_level("INFO")
    tidied = tmp_path / "tidied"
    job = run(settings, engine, queue_job(engine, do="finish and tidy up", tidied=str(tidied)))
    assert job.state == "succeeded"
    assert tidied.exists()
    assert "killing" not in caplog.text


def test_a_job_that_waits_goes_back_without_a_failure(settings: Settings, engine: Engine) -> None:
    job = run(settings, engine, queue_job(engine, do="wait"))
    assert (job.state, job.failures) == ("queued", 0)
    assert job.run_after > job.created_at + 30


@pytest.mark.parametrize(
    ("do", "ending"),
    [("crash", "exit status 3"), ("kill", "signal SIGKILL"), ("forget", "without recording a result: exit status 0")],
)
def test_a_runner_that_ends_without_a_word_counts_as_a_failure(
    settings: Settings, engine: Engine, do: str, ending: str
) -> None:
    job_id = queue_job(engine, do=do)
    job = run(settings, engine, job_id)
    assert (job.state, job.failures) == ("queued", 1)
    assert reason(engine, job_id).endswith(ending)


def test_a_runner_that_cannot_be_started_counts_as_a_failure_and_says_why(settings: Settings, engine: Engine) -> None:
    job_id = queue_job(engine, do="finish")
    run_job(settings, engine, job_id, threading.Event(), runner_command=["/nowhere/at/all"])
    job = get(engine, job_id)
    assert (job.state, job.failures) == ("queued", 1)
    assert reason(engine, job_id) == (
        "the runner could not be started: [Errno 2] No such file or directory: '/nowhere/at/all'"
    )


def test_infrastructure_that_is_away_is_tried_again_later_and_later(settings: Settings, engine: Engine) -> None:
    job_id = queue_job(engine, do="unavailable")
    delays = []
    for _ in range(2):
        job = run(settings, engine, job_id)
        with unit_of_work(engine) as registry:
            released = registry.jobs.events_after(job_id)[-1].created_at
            delays.append(job.run_after - released)
            row = registry.jobs.get(job_id)
            row.run_after = 0.0
    assert job.failures == 2
    assert delays == pytest.approx([1.0, 2.0], abs=0.5)


@pytest.mark.parametrize("kind", ["hang", "stubborn"])
def test_cancelling_ends_the_runner_and_all_that_it_started(
    settings: Settings, engine: Engine, tmp_path: Path, kind: str
) -> None:
    hanging = Hanging(settings, engine, tmp_path, kind)
    with unit_of_work(engine) as registry:
        registry.jobs.request_cancel(hanging.job_id)
    hanging.join()
    job = get(engine, hanging.job_id)
    assert (job.state, job.failures) == ("cancelled", 0)


def test_a_worker_that_shuts_down_gives_its_job_back(settings: Settings, engine: Engine, tmp_path: Path) -> None:
    hanging = Hanging(settings, engine, tmp_path)
    hanging.stopping.set()
    hanging.join()
    job = get(engine, hanging.job_id)
    assert (job.state, job.failures, job.published_at) == ("queued", 0, None)
    assert reason(engine, hanging.job_id) == "the worker was shut down"


def test_a_runner_without_progress_is_ended_and_its_job_tried_again_though_its_heart_beats(
    settings: Settings, engine: Engine
) -> None:
    impatient = replace(settings, lease_seconds=3.0, stall_seconds=4.0)
    job_id = queue_job(engine, do="finish")
    silent = ["/bin/sh", "-c", "trap '' TERM; sleep 120"]
    watching = threading.Thread(
        target=run_job, args=(impatient, engine, job_id, threading.Event()), kwargs={"runner_command": silent}
    )
    watching.start()
    while watching.is_alive():  # a stopped heartbeat would be noticed first, and reported as a lost lease
        sweep(engine)
        watching.join(0.3)
    job = get(engine, job_id)
    assert (job.state, job.failures) == ("queued", 1)
    assert reason(engine, job_id) == "no progress for 4 s"
    again = run(impatient, engine, job_id)
    assert (again.state, again.attempt) == ("succeeded", 2)


def test_a_worker_that_lost_its_lease_ends_the_runner_and_changes_nothing(
    settings: Settings, engine: Engine, tmp_path: Path
) -> None:
    hanging = Hanging(settings, engine, tmp_path, "stubborn")
    with unit_of_work(engine) as registry:
        registry.leases.release(hanging.job_id, 1, reason="swept", counts_as_failure=True)
        other = registry.leases.claim(hanging.job_id, worker="other", lease_seconds=60)
        assert other is not None
    hanging.join()
    job = get(engine, hanging.job_id)
    assert (job.state, job.attempt, job.lease_owner, job.failures) == ("running", 2, "other", 1)


def test_a_heartbeat_keeps_the_lease_while_the_runner_works(settings: Settings, engine: Engine, tmp_path: Path) -> None:
    hanging = Hanging(replace(settings, lease_seconds=8.0), engine, tmp_path)
    before = get(engine, hanging.job_id).lease_until
    time.sleep(3.5)
    after = get(engine, hanging.job_id).lease_until
    hanging.stopping.set()
    hanging.join()
    assert before is not None
    assert after is not None
    assert after > before


def test_a_worker_that_cannot_reach_the_database_for_a_whole_lease_ends_its_runner(
    settings: Settings, engine: Engine, tmp_path: Path
) -> None:
    hanging = Hanging(replace(settings, lease_seconds=4.0), engine, tmp_path)
    database = settings.home / "ldnas.sqlite3"
    engine.dispose()
    away = settings.home / "away"
    away.mkdir()
    for file in settings.home.glob("ldnas.sqlite3*"):
        os.rename(file, away / file.name)
    database.mkdir()  # a folder cannot be opened as a database
    hanging.join()
