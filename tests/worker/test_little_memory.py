"""Jobs whose networks do not fit in memory: halved and recorded, or tried again where the kernel killed the runner."""

import sys
import threading
from pathlib import Path
from typing import Any

from sqlalchemy import text

from worker.jobs.stages import export
from worker.queue.tasks import run_job
from worker.registry import Engine, JobState, reading, unit_of_work
from worker.registry.crash_policy import FULL_BATCH
from worker.settings import Settings

HERE = Path(__file__).parent


def run(settings: Settings, engine: Engine, job_id: str, script: str):
    """Runs one attempt, as a worker does."""
    run_job(settings, engine, job_id, threading.Event(), runner_command=[sys.executable, str(HERE / script)])
    with reading(engine) as registry:
        return registry.jobs.get(job_id)


def events(engine: Engine, job_id: str, kind: str) -> list[dict[str, Any]]:
    with reading(engine) as registry:
        return [event.data for event in registry.jobs.events_after(job_id) if event.kind == kind]


def answer_of(engine: Engine, id: str = "answer") -> dict[str, Any]:
    with reading(engine) as registry:
        return registry.recommendations.get(id).document


def test_a_runner_with_little_memory_ends_its_recommendation_and_records_the_micro_batch(
    settings, engine, add_recommendation, monkeypatch
) -> None:
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "262144")  # every tensor in pages of its own
    for cache in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):  # compiled convolutions are larger here
        monkeypatch.setenv(cache, "4")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    # How much is little depends on torch's build and the allocator: the first limit that it has to live with counts.
    for mebibytes in (60, 90, 120, 45, 30):
        monkeypatch.setenv("LDNAS_TEST_MORE_MEBIBYTES", str(mebibytes))
        job_id = add_recommendation(str(mebibytes), image_size=64, repetitions=1, seed=mebibytes)
        job = run(settings, engine, job_id, "limited_runner.py")
        halved = events(engine, job_id, "micro_batch")
        if job.state is JobState.SUCCEEDED and halved:
            break
    assert job.state is JobState.SUCCEEDED, job.error["detail"]
    sizes = [event["size"] for event in halved]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == job.micro_batch
    assert halved[-1]["stage"] in ("search", "train")
    answer = answer_of(engine, str(mebibytes))
    assert answer["cost"]["micro_batch"] == job.micro_batch
    assert any(f"at most {job.micro_batch} images" in warning for warning in answer["warnings"])


def test_an_attempt_begins_with_the_micro_batch_of_the_one_before_and_its_networks_record_it(
    engine, add_recommendation, finish
) -> None:
    job_id = add_recommendation("first")
    with unit_of_work(engine) as registry:
        registry.jobs.get(job_id).micro_batch = 4
    finish(job_id)
    answer = answer_of(engine, "first")
    assert answer["cost"]["micro_batch"] == 4
    assert any("at most 4 images" in warning for warning in answer["warnings"])
    assert events(engine, job_id, "micro_batch") == []
    with engine.connect() as connection:
        assert set(connection.execute(text("SELECT micro_batch FROM networks")).scalars()) == {4}
    finish(add_recommendation())  # takes up the networks that are there
    answer = answer_of(engine)
    assert answer["cost"]["micro_batch"] is None
    (reported,) = [warning for warning in answer["warnings"] if "memory" in warning]
    assert "an earlier job trained this network on 4 images at a time" in reported


def test_memory_that_ran_out_outside_the_networks_is_not_a_bug(engine, add_recommendation, finish, monkeypatch) -> None:
    def describe(*arguments: object) -> None:
        raise MemoryError("Unable to allocate 2.00 KiB for an array")

    monkeypatch.setattr(export, "export_program", describe)
    job = finish(add_recommendation())
    assert (job.state, job.error["code"]) == (JobState.FAILED, "out_of_memory")
    assert "2048 bytes were requested" in job.error["detail"]


def test_a_runner_that_is_killed_twice_in_a_stage_takes_half(settings, engine) -> None:
    with unit_of_work(engine) as registry:
        job_id = registry.jobs.insert("recommend", {"do": "kill"}).id
    first = run(settings, engine, job_id, "fake_runner.py")
    assert (first.state, first.failures, first.micro_batch) == ("queued", 1, None)
    second = run(settings, engine, job_id, "fake_runner.py")
    assert (second.state, second.failures, second.micro_batch) == ("queued", 1, FULL_BATCH // 2)
    assert [event["size"] for event in events(engine, job_id, "micro_batch")] == [FULL_BATCH // 2]
    with unit_of_work(engine) as registry:
        registry.jobs.get(job_id).micro_batch = 1
    for _ in range(2):
        last = run(settings, engine, job_id, "fake_runner.py")
    assert (last.state, last.failures) == ("failed", 3)
    assert last.error["code"] == "attempts_exhausted"
    assert "killed from outside, most likely because memory ran out" in last.error["detail"]
    assert "1 image at a time" in last.error["detail"]
