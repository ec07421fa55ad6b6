"""How close a recommendation's forecast comes to what its job then takes, and how well a budget in seconds is kept.

    python -m benchmarks.forecast --data ../data --work work

Real jobs, each in a new home and by a runner of its own, in an order that mixes strategies, tasks and budgets.
Promised: the forecast and the seconds that a job takes lie within a factor of 1.5 in 90 % of the jobs, and a job with a
budget in seconds takes at most 1.1 times that.

A runner is a fork of this process; both count the CPU seconds of one thread instead of the seconds on the wall
(`cpu_clock`), so that a machine with other work to do takes less part in the figures. The row of each job has both. A
run that was stopped resumes from its rows.
"""

import argparse
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import torch

if __name__ == "__main__":
    import benchmarks.cpu_clock  # noqa: F401  # before what takes a clock as its default

from benchmarks.environment import save
from worker.queue import runner
from worker.queue.exit_codes import Ending
from worker.registry import Engine, JobKind, JobState, TaskRole, open_engine, reading, unit_of_work
from worker.registry.schema import migrate
from worker.settings import Settings

FACTOR = 1.5
OVERRUN = 1.1
SUBSET_IMAGES = 900

LABELS: dict[str, dict[str, Any] | None] = {
    "all": None,
    "primes": {"groups": [[2, 3, 5, 7]], "rest": True, "balance": False},
    "round": {"groups": [[0], [6, 9], [8]], "rest": True, "balance": True},
}


@dataclass(frozen=True)
class BenchmarkJob:
    """One recommendation: which images at which size, which labels, what searches, and within which budget."""

    dataset: str
    labels: str
    image_size: int
    strategy: str
    iterations: int | None = None
    seconds: float | None = None


JOBS = (
    BenchmarkJob("digits", "all", 8, "fuse", iterations=12),
    BenchmarkJob("digits", "primes", 8, "fuse", iterations=5),
    BenchmarkJob("mnist", "primes", 8, "fuse", iterations=3),
    BenchmarkJob("digits", "all", 8, "random", iterations=3),
    BenchmarkJob("mnist", "primes", 16, "random", iterations=2),
    BenchmarkJob("digits", "round", 8, "evolution", iterations=4),
    BenchmarkJob("cifar10", "all", 8, "evolution", iterations=2),
    BenchmarkJob("digits", "primes", 8, "random_sharing", iterations=8),
    BenchmarkJob("digits", "all", 8, "enas", iterations=5),
    BenchmarkJob("digits", "primes", 8, "darts", iterations=5),
    BenchmarkJob("cifar10", "all", 8, "darts", iterations=2),
    BenchmarkJob("digits", "round", 8, "pc_darts", iterations=12),
    BenchmarkJob("digits", "all", 8, "fuse", seconds=20),
    BenchmarkJob("digits", "primes", 8, "fuse", seconds=300),
    BenchmarkJob("cifar10", "all", 8, "fuse", seconds=30),
    BenchmarkJob("mnist", "primes", 8, "random", seconds=25),
    BenchmarkJob("digits", "round", 8, "evolution", seconds=20),
    BenchmarkJob("digits", "all", 8, "random_sharing", seconds=20),
    BenchmarkJob("mnist", "primes", 8, "enas", seconds=25),
    BenchmarkJob("digits", "primes", 8, "darts", seconds=20),
    BenchmarkJob("digits", "all", 16, "pc_darts", seconds=30),
)


def run_job(job: BenchmarkJob, datasets: Path) -> dict[str, Any]:
    """Runs one job to its end; returns its forecast and its cost, by part, in the runner's seconds."""
    with tempfile.TemporaryDirectory() as folder:
        places = {"LDNAS_HOME": folder, "LDNAS_DATASET_ROOTS": str(datasets)}
        settings = Settings.from_environment({**places, "LDNAS_DEVICE": "cpu"})
        migrate(settings.database_url)
        engine = open_engine(settings.database_url)
        job_id = _insert(engine, job, datasets)
        with unit_of_work(engine) as registry:
            claimed = registry.leases.claim(job_id, worker="benchmark", lease_seconds=7200)
        assert claimed is not None
        engine.dispose()  # a connection does not survive the fork
        began = time.perf_counter()
        cpu_seconds = _run(settings, job_id, claimed.attempt)
        wall_seconds = time.perf_counter() - began
        with reading(engine) as registry:
            done = registry.jobs.get(job_id)
            if done.state != JobState.SUCCEEDED:
                raise SystemExit(f"{job} failed: {done.error}")
            document = registry.recommendations.get("answer").document
            kinds = [event.kind for event in registry.jobs.events_after(job_id)]
        engine.dispose()
    took = {"cpu_seconds": cpu_seconds, "wall_seconds": wall_seconds, "load": os.getloadavg()[0]}
    return {**asdict(job), **_outcome(document, kinds.count("iteration")), **took}


def _insert(engine: Engine, job: BenchmarkJob, datasets: Path) -> str:
    uri = f"builtin://{job.dataset}" if job.dataset == "digits" else (datasets / job.dataset).as_uri()
    budget = {"seconds": job.seconds} if job.seconds is not None else {"iterations": job.iterations}
    request = {"dataset": {"uri": uri}, "search": {"strategy": job.strategy}, "budget": budget}
    columns = {"architecture": None, "epsilon": 0.2, "repetitions": 1, "seed": 0, "image_size": job.image_size}
    with unit_of_work(engine) as registry:
        row = registry.jobs.insert(JobKind.RECOMMEND, {"recommendation_id": "answer", "task_id": "target"})
        registry.tasks.insert(
            id="target",
            name="target",
            role=TaskRole.TARGET,
            job_id=row.id,
            dataset={"uri": uri},
            labels=LABELS[job.labels],
            **columns,
        )
        registry.recommendations.insert(
            id="answer", name="answer", job_id=row.id, task_id="target", request=request, document={}
        )
    return row.id


def _run(settings: Settings, job_id: str, attempt: int) -> float:
    """A runner from its start to its end; the CPU seconds that it took."""
    child = os.fork()
    if child == 0:
        os._exit(runner.run(settings, open_engine(settings.database_url), job_id, attempt))
    _, status, usage = os.wait4(child, 0)
    if os.waitstatus_to_exitcode(status) != Ending.RECORDED:
        raise SystemExit(f"the runner ended with {os.waitstatus_to_exitcode(status)}")
    return usage.ru_utime + usage.ru_stime


def _outcome(document: dict[str, Any], iterations: int) -> dict[str, Any]:
    """Predicted and actual seconds. Those of the search begin where the forecast ended."""
    stages, forecast = document["cost"]["stage_seconds"], document["search"]["forecast"]
    search = sum(stages[name] for name in ("resolve", "fit", "distance", "search")) - forecast["spent"]
    actual = {"iteration": search / iterations, "search": search, "training": stages["train"]}
    return {
        "foretold": forecast,
        "actual": {**actual, "export": stages["export"], "job": sum(stages.values())},
        "iterations_run": iterations,
        "final_epochs": document["search"]["final_epochs"],
        "test_accuracy": document["test"]["accuracy"],
        "warnings": document.get("warnings") or [],
    }


def summarise(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The shares that were promised, and for each part the ratios of predicted to actual seconds."""
    free = [row for row in rows if row["seconds"] is None]
    bound = [row for row in rows if row["seconds"] is not None]
    every = {part: [_ratio(row, part) for row in rows] for part in ("iteration", "job")}
    whole = {part: [_ratio(row, part) for row in free] for part in ("search", "training")}
    rest = [_rest(row["foretold"]) / _rest({**row["actual"], "spent": row["foretold"]["spent"]}) for row in free]
    used = [row["actual"]["job"] / row["seconds"] for row in bound]
    return {
        "jobs": len(rows),
        "foretold_over_actual": {
            **{part: _spread(ratios) for part, ratios in {**every, **whole}.items()},
            "job_of_iterations": _spread([_ratio(row, "job") for row in free]),
            "rest_of_job_of_iterations": _spread(rest),
            "job_of_seconds": _spread([_ratio(row, "job") for row in bound]),
        },
        "seconds_used_over_asked": {
            **_range(used),
            "share_at_most_1.1": statistics.fmean(ratio <= OVERRUN for ratio in used),
            "share_within_0.9_and_1.1": statistics.fmean(2 - OVERRUN <= ratio <= OVERRUN for ratio in used),
        },
        "export_seconds": _range([row["actual"]["export"] for row in rows]),
        "wall_over_cpu_seconds": _range([row["wall_seconds"] / row["cpu_seconds"] for row in rows]),
    }


def _ratio(row: dict[str, Any], part: str) -> float:
    return float(row["foretold"][part] / row["actual"][part])


def _rest(seconds: dict[str, float]) -> float:
    return seconds["job"] - seconds["spent"]


def _spread(ratios: Sequence[float]) -> dict[str, float]:
    near = [1 / FACTOR <= ratio <= FACTOR for ratio in ratios]
    return {**_range(ratios), "share_within_1.5": statistics.fmean(near)} if ratios else {}


def _range(values: Sequence[float]) -> dict[str, float]:
    return {"least": min(values), "median": statistics.median(values), "largest": max(values)} if values else {}


def write_subset(source: Path, target: Path) -> None:
    """A data set's first shuffled training images as a data set of its own, which gets splits of its own."""
    target.mkdir(parents=True, exist_ok=True)
    table = parquet.read_table(source / "train.parquet")
    chosen = sorted(random.Random(0).sample(range(len(table)), SUBSET_IMAGES))
    parquet.write_table(table.take(chosen), target / "train.parquet")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder with mnist/ and cifar10/ as Parquet")
    parser.add_argument("--work", type=Path, required=True, help="where finished jobs are kept")
    parser.add_argument("--before", type=Path, help="rows of an earlier state of the code, to be saved as well")
    parser.add_argument("--jobs", type=int, default=len(JOBS), help="so many of them only; then nothing is saved")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.work.mkdir(parents=True, exist_ok=True)
    datasets = arguments.work.absolute() / "datasets"
    for name in ("mnist", "cifar10"):
        write_subset(arguments.data / name, datasets / name)
    file = arguments.work / "rows.jsonl"
    rows = _read(file) if file.exists() else []
    jobs = random.Random(0).sample(JOBS, len(JOBS))[: arguments.jobs]
    for job in jobs:
        if not any(row.items() >= asdict(job).items() for row in rows):
            rows.append(run_job(job, datasets))
            with file.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(rows[-1]) + "\n")
            print(json.dumps(rows[-1]), flush=True)
    summary = summarise(rows)
    print(json.dumps(summary, indent=2))
    if len(jobs) == len(JOBS):
        result = {"subset_images": SUBSET_IMAGES, "summary": summary, "rows": rows}
        if arguments.before is not None:
            before = _read(arguments.before)
            result["before"] = {"summary": summarise(before), "rows": before}
        print(save("forecast", result))


def _read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    main()
