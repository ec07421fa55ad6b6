"""A file that ends the process that reads it fails its job with that reason, and is not tried for ever."""

import sys
import threading
from pathlib import Path

import pytest

from worker.queue.tasks import run_job
from worker.registry import Engine, JobRow, JobState, reading, unit_of_work

CRASHING = [sys.executable, str(Path(__file__).parent / "crashing_runner.py")]
ENDS_WITH_THE_DOWNLOAD = """
import os
from worker.jobs.stages import sources
from worker.queue import runner
sources.fetched = lambda *arguments, **options: os.abort()
runner.main()
"""
UNREADABLE = {"code": "unreadable_dataset", "detail": "it ended its reader", "field": "dataset.uri", "origin": "x"}


@pytest.fixture
def attempt(engine: Engine, claim, add_task):
    """Plays an attempt of one job that reaches a stage and ends as given; gives the job's row after it."""
    job_id = add_task("it")

    def play(stage: str | None, end: str = "crash", *, cancelled: bool = False) -> JobRow:
        attempt = claim(job_id).attempt
        with unit_of_work(engine) as registry:
            if stage is not None:
                registry.leases.progress(job_id, attempt, stage=stage, fraction=None, message="")
            if cancelled:
                registry.jobs.request_cancel(job_id)
            if end == "crash":
                registry.leases.release_crashed(job_id, attempt, how="signal SIGSEGV", unreadable=UNREADABLE)
            else:
                registry.leases.release_killed(job_id, attempt, how="signal SIGKILL")
        with reading(engine) as registry:
            return registry.jobs.get(job_id)

    return play


def test_a_parquet_file_that_ends_its_reader_is_tried_twice_and_named(engine, settings, add_task) -> None:
    file = settings.dataset_roots[0] / "hostile.parquet"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"PAR1")
    job_id = add_task("hostile", dataset={"uri": file.as_uri()})
    ends = []
    for _ in range(2):
        run_job(settings, engine, job_id, threading.Event(), runner_command=CRASHING)
        with reading(engine) as registry:
            job, event = registry.jobs.get(job_id), registry.jobs.events_after(job_id)[-1].data
        ends.append((event["state"], event["reason"]))
    crash = "the runner crashed: signal SIGABRT"
    assert ends == [("queued", crash), ("failed", crash)]
    assert job.error == {
        "code": "unreadable_dataset",
        "detail": f"{file.as_uri()} could not be read: it crashed the process that reads it, twice (signal SIGABRT)",
        "field": "dataset.uri",
        "origin": file.as_uri(),
    }


def test_a_file_of_another_host_is_named_without_the_query_of_its_url(engine, settings, add_task) -> None:
    job_id = add_task("far", dataset={"uri": "https://host.example.org/a.zip?X-Amz-Signature=secret"})
    for _ in range(2):
        run_job(
            settings,
            engine,
            job_id,
            threading.Event(),
            runner_command=[sys.executable, "-c", ENDS_WITH_THE_DOWNLOAD],
        )
    with reading(engine) as registry:
        error = registry.jobs.get(job_id).error
    assert (error["code"], error["origin"]) == ("unreadable_dataset", "https://host.example.org/a.zip?…")
    assert "secret" not in str(error)


def test_a_crash_after_the_images_were_read_is_not_attributed_to_them(attempt) -> None:
    for number in (1, 2, 3):
        job = attempt("train")
        assert job.failures == number
    assert (job.state, job.error["code"]) == (JobState.FAILED, "attempts_exhausted")
    assert job.error["detail"].endswith("the runner crashed: signal SIGSEGV")


def test_only_crashes_in_a_row_count(attempt) -> None:
    attempt("resolve")
    assert attempt("resolve", "kill").state is JobState.QUEUED
    assert attempt("resolve").error["code"] == "attempts_exhausted"


def test_a_kill_while_the_runner_starts_is_not_taken_for_one_in_the_stage_before(attempt) -> None:
    attempt("train", "kill")
    job = attempt(None, "kill")
    assert (job.failures, job.micro_batch, job.stage) == (2, None, None)
    job = attempt("train", "kill")
    assert (job.failures, job.micro_batch) == (2, 32)


def test_a_crash_while_the_runner_starts_is_not_attributed_to_a_file(attempt) -> None:
    attempt("resolve")
    attempt(None)
    assert attempt(None).error["code"] == "attempts_exhausted"


def test_a_job_that_was_to_be_cancelled_is_cancelled_though_its_reader_crashed(attempt) -> None:
    attempt("resolve")
    job = attempt("resolve", cancelled=True)
    assert (job.state, job.error) == (JobState.CANCELLED, None)


def test_a_kill_while_images_are_read_does_not_halve_the_micro_batch(attempt) -> None:
    for number in (1, 2, 3):
        job = attempt("resolve", "kill")
        assert (job.failures, job.micro_batch) == (number, None)
    assert (job.state, job.error["code"]) == (JobState.FAILED, "attempts_exhausted")
