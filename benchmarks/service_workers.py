"""The gain from a second worker: the same jobs by one and by two, through a real dispatcher and broker."""

import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.service_processes import running
from worker.registry import Engine, JobKind, JobState, reading, unit_of_work

PATIENCE_SECONDS = 600.0


def compare_workers(environment: dict[str, str], engine: Engine, jobs: int, folder: Path) -> dict[str, Any]:
    """Jobs a second of one worker and of two, from the first claim to the last end."""
    rates = {workers: _rate(environment, engine, jobs, workers, folder) for workers in (1, 2)}
    return {
        "jobs": jobs,
        "job": "waits 2 s without the processor; claim, runner process, lease and end are real",
        "jobs_per_second_of_one": round(rates[1], 3),
        "jobs_per_second_of_two": round(rates[2], 3),
        "ratio": round(rates[2] / rates[1], 2),
    }


def _rate(environment: dict[str, str], engine: Engine, jobs: int, workers: int, folder: Path) -> float:
    with unit_of_work(engine) as registry:
        ids = [registry.jobs.insert(JobKind.REGISTER_TASK, {}).id for _ in range(jobs)]
    worker = [sys.executable, "-m", "benchmarks.service_worker"]
    with ExitStack() as stack:
        for number in range(workers):
            stack.enter_context(running(worker, environment, folder / f"worker{number}.log"))
        dispatcher = [sys.executable, "-m", "worker.queue.dispatcher"]
        stack.enter_context(running(dispatcher, environment, folder / "dispatcher.log"))
        _wait(engine, ids)
    with reading(engine) as registry:
        ended = [registry.jobs.get(id) for id in ids]
    if any(job.state is not JobState.SUCCEEDED or job.attempt != 1 for job in ended):
        raise SystemExit("a job did not succeed at the first attempt")
    began, over = min(job.started_at or 0.0 for job in ended), max(job.finished_at or 0.0 for job in ended)
    return jobs / (over - began)


def _wait(engine: Engine, ids: list[str]) -> None:
    give_up = time.monotonic() + PATIENCE_SECONDS
    while True:
        with reading(engine) as registry:
            if all(state.ended for state in registry.jobs.states(ids).values()):
                return
        if time.monotonic() > give_up:
            raise SystemExit("the jobs did not end")
        time.sleep(0.5)
