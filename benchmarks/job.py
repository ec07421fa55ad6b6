"""Where the seconds of one job go: a timeline by stage, and by what the stage waits for.

    python -m benchmarks.job
    python -m benchmarks.job --images FOLDER --before CHECKOUT

A real API, dispatcher and worker recommend a network for the target of `ldnas demo`, or for a folder of images, in a
copy of one home with the demo's baselines; small jobs in a row follow. The ways take turns within one call: `cold`
(each runner loads torch), `warm` (each runner is forked), and `before`, the code of another checkout.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot
from PIL import Image

from benchmarks.environment import save
from benchmarks.job_probe import FOLDER
from benchmarks.service_processes import ROOT, free_port, running, wait_for
from service.cli.demo.run import BASELINES, BUDGET, DATASET, TARGET
from service.client import Client
from service.client.submission import Submission, require_success
from worker.registry import Registry, open_engine, reading
from worker.registry.schema import migrate
from worker.settings import Settings

WAITS = ("queue", "start", "decode", "compute", "database", "files")
COLOURS = dict(zip(WAITS, ("0.6", "tab:red", "tab:orange", "tab:green", "tab:blue", "tab:purple"), strict=True))
SMALL_IMAGES = 12


@dataclass(frozen=True)
class Way:
    """One of the ways that are compared: the code and whether its runners are warm."""

    name: str
    checkout: Path
    warm_runner: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--images", type=Path, help="a folder of images, a folder for each class, in place of the digits"
    )
    parser.add_argument("--before", type=Path, help="a checkout to compare with")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=BUDGET["seconds"], help="of the recommendation; 0 = none")
    parser.add_argument("--jobs", type=int, default=20, help="small jobs in a row")
    parser.add_argument("--no-save", action="store_true")
    arguments = parser.parse_args()
    ways = [Way("cold", ROOT, "off"), Way("warm", ROOT, "on")]
    if arguments.before is not None:
        ways.insert(0, Way("before", arguments.before.absolute(), "on"))
    result: dict[str, Any] = {
        "images": str(arguments.images or DATASET["uri"]),
        "budget_seconds": arguments.seconds,
        "small_jobs": arguments.jobs,
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
        "load_average": os.getloadavg()[0],
        "rounds": {way.name: [] for way in ways},
    }
    with tempfile.TemporaryDirectory() as work:
        homes = prepare(ways, Path(work), arguments.images, baselines=arguments.seconds > 0)
        for number in range(arguments.rounds):
            for way in ways:
                home = Path(work) / f"{way.name}-{number}"
                shutil.copytree(homes[way], home)
                found = measure(way, home, arguments.images, arguments.seconds, arguments.jobs)
                result["rounds"][way.name].append(found)
                shutil.rmtree(home)
                print(way.name, json.dumps(found["summary"]), flush=True)
    result["ways"] = {name: summary(rounds) for name, rounds in result["rounds"].items()}
    print(json.dumps(result["ways"], indent=1))
    table = "\n\n".join(stage_table(name, rounds[-1]) for name, rounds in result["rounds"].items())
    print(table)
    if not arguments.no_save:
        folder = save("job" if arguments.seconds else "job_small", result)
        (folder / "stages.md").write_text(table + "\n", encoding="utf-8")
        draw({name: rounds[-1] for name, rounds in result["rounds"].items()}, folder / "timeline.svg")
        print(folder)


def prepare(ways: list[Way], work: Path, images: Path | None, *, baselines: bool) -> dict[Way, Path]:
    """A home for each checkout, with the demo's baselines if wanted."""
    _write_small_images(work / "small")
    homes: dict[Path, Path] = {}
    for way in ways:
        if way.checkout not in homes:
            home = homes[way.checkout] = work / f"home-{len(homes)}"
            home.mkdir()
            with service(way, home, images) as client:
                for task in BASELINES if baselines else ():
                    client.register_task(task.name, DATASET, labels=task.labels, study={"cells": 0})
                for task in client.tasks(role="baseline"):
                    _wait(client.submission_of(task))
    return {way: homes[way.checkout] for way in ways}


def measure(way: Way, home: Path, images: Path | None, seconds: float, jobs: int) -> dict[str, Any]:
    """One recommendation and then the small jobs, in a service of their own."""
    dataset: Mapping[str, Any] = DATASET if images is None else {"uri": images.absolute().as_uri()}
    labels = TARGET.labels if images is None else None
    small = {"uri": (home.parent / "small").as_uri()}
    figures: dict[str, Any] = {}
    with service(way, home, images) as client:
        # The first job waits for a worker that is still starting.
        first = client.register_task("first", small, repetitions=1, seed=1, study={"cells": 0})
        _wait(first)
        target = first
        if seconds:
            target = client.recommend(dataset, labels=labels, budget={"seconds": seconds}, seed=0)
            _wait(target)
        submissions = [
            client.register_task(f"small {number}", small, repetitions=1, seed=2 + number, study={"cells": 0})
            for number in range(jobs)
        ]
        for submission in submissions:
            _wait(submission)
        with _registry(home) as registry:
            job = registry.jobs.get(target.get().job_id)
            rows = [registry.jobs.get(submission.get().job_id) for submission in submissions]
        stages = _stages(home, job)
        starts = [_first_stage_after_claim(home, row) for row in rows]
    if seconds:
        figures = {
            "seconds_from_post_to_end": round((job.finished_at or 0.0) - job.created_at, 2),
            "seconds_from_post_to_claim": round((job.started_at or 0.0) - job.created_at, 3),
            "seconds_from_claim_to_first_stage": round(_first_stage_after_claim(home, job), 3),
            **{f"seconds_of_{stage}": round(sum(waits.values()), 2) for stage, waits in _by_stage(stages).items()},
        }
    if rows:
        over = max(row.finished_at or 0.0 for row in rows) - min(row.started_at or 0.0 for row in rows)
        figures["small_jobs_per_minute"] = round(60 * jobs / over, 1)
        figures["small_job_seconds_from_claim_to_first_stage"] = round(statistics.median(starts), 3)
        figures["small_job_seconds_from_claim_to_end"] = round(
            statistics.median((row.finished_at or 0.0) - (row.started_at or 0.0) for row in rows), 3
        )
    return {"summary": figures, "intervals": stages}


@contextmanager
def _registry(home: Path) -> Iterator[Registry]:
    engine = open_engine(f"sqlite:///{home / 'ldnas.sqlite3'}")
    with reading(engine) as registry:
        yield registry
    engine.dispose()


@contextmanager
def service(way: Way, home: Path, images: Path | None) -> Iterator[Client]:
    """An API, a dispatcher and a worker with the code of a way; a client of it."""
    roots = [str(home.parent / "small"), *([str(images.absolute())] if images else [])]
    environment = {
        **os.environ,
        "PYTHONPATH": str(way.checkout),
        "LDNAS_HOME": str(home),
        "LDNAS_PORT": str(port := free_port()),
        "LDNAS_DEVICE": "cpu",
        "LDNAS_STUDY": "off",
        "LDNAS_WARM_RUNNER": way.warm_runner,
        "LDNAS_DATASET_ROOTS": os.pathsep.join(roots),
    }
    migrate(Settings.from_environment(environment).database_url)
    python = [sys.executable, "-P"]
    with ExitStack() as stack:
        for name, command in (
            ("api", ["-m", "service.api_main"]),
            ("dispatcher", ["-m", "worker.queue.dispatcher"]),
            ("worker", [str(ROOT / "benchmarks" / "job_worker.py")]),
        ):
            stack.enter_context(running([*python, *command], environment, home / f"{name}.log"))
        wait_for(port)
        yield stack.enter_context(Client(f"http://127.0.0.1:{port}"))


def _wait(submission: Submission[Any]) -> None:
    while (status := submission.status())["state"] not in ("succeeded", "failed", "cancelled"):
        time.sleep(0.5)
    require_success(status, submission.id)


def _timeline(home: Path, job_id: str) -> dict[str, Any]:
    file = home / FOLDER / f"{job_id}.json"
    give_up = time.monotonic() + 20
    while not file.exists() and time.monotonic() < give_up:  # written after the end of the job is recorded
        time.sleep(0.05)
    timeline: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return timeline


def _first_stage_after_claim(home: Path, job: Any) -> float:
    intervals = _timeline(home, job.id)["intervals"]
    first = next(begin for stage, _, begin, _ in intervals if stage != "start")
    return float(first - job.started_at)


def _stages(home: Path, job: Any) -> list[tuple[str, str, float, float]]:
    """The intervals of a job in seconds since its POST: stage, wait, begin, end; neighbours of one kind are one."""
    timeline = _timeline(home, job.id)
    rows = [
        ("queue", "queue", job.created_at, job.started_at),
        ("start", "start", job.started_at, timeline["main"]),
        *timeline["intervals"],
    ]
    merged: list[tuple[str, str, float, float]] = []
    for stage, wait, begin, end in rows:
        begin, end = round(begin - job.created_at, 3), round(end - job.created_at, 3)
        if merged and merged[-1][:2] == (stage, wait):
            merged[-1] = (stage, wait, merged[-1][2], end)
        elif end > begin:
            merged.append((stage, wait, begin, end))
    return merged


def _by_stage(intervals: list[Any]) -> dict[str, dict[str, float]]:
    """Seconds by stage and by wait."""
    found: dict[str, dict[str, float]] = {}
    for stage, wait, begin, end in intervals:
        waits = found.setdefault(stage, dict.fromkeys(WAITS, 0.0))
        waits[wait] += end - begin
    return found


def stage_table(name: str, measured: Mapping[str, Any]) -> str:
    """The seconds of one run by stage and by wait, as Markdown."""
    rows = [f"| {name} | seconds | {' | '.join(WAITS)} |", "|---" * (2 + len(WAITS)) + "|"]
    stages = _by_stage(measured["intervals"])
    stages["all"] = {wait: sum(waits[wait] for waits in stages.values()) for wait in WAITS}
    for stage, waits in stages.items():
        cells = " | ".join(f"{waits[wait]:.2f}" if waits[wait] >= 0.005 else "" for wait in WAITS)
        rows.append(f"| {stage} | {sum(waits.values()):.2f} | {cells} |")
    return "\n".join(rows)


def summary(rounds: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Median, least and most of each figure over the rounds."""
    found = {}
    for name in rounds[0]["summary"]:
        values = [each["summary"][name] for each in rounds if each["summary"].get(name) is not None]
        found[name] = {"median": round(statistics.median(values), 3), "least": min(values), "most": max(values)}
    return found


def draw(ways: Mapping[str, Mapping[str, Any]], file: Path) -> None:
    """The timelines of the ways, one below the other: stages above, waits below."""
    figure, axes = pyplot.subplots(
        len(ways), 1, figsize=(11, 1.6 * len(ways)), sharex=True, squeeze=False, layout="constrained"
    )
    for axis, (name, measured) in zip(axes[:, 0], ways.items(), strict=True):
        spans: dict[str, tuple[float, float]] = {}
        for stage, wait, begin, end in measured["intervals"]:
            axis.broken_barh([(begin, end - begin)], (0, 0.9), color=COLOURS[wait], linewidth=0)
            spans[stage] = (spans.get(stage, (begin, end))[0], end)
        for number, (stage, (begin, end)) in enumerate(spans.items()):
            axis.broken_barh([(begin, end - begin)], (1, 0.9), color=("0.75", "0.9")[number % 2])
            if end - begin > 0.04 * measured["intervals"][-1][3]:
                axis.text((begin + end) / 2, 1.45, stage, ha="center", va="center", fontsize=8)
        axis.set(yticks=[0.45, 1.45], yticklabels=["waits for", "stage"], ylim=(0, 2), title=name)
    axes[-1, 0].set_xlabel("seconds since the POST")
    patches = [pyplot.Rectangle((0, 0), 1, 1, color=COLOURS[wait], label=wait) for wait in WAITS]
    figure.legend(handles=patches, ncols=len(WAITS), loc="outside upper right")
    figure.savefig(file)


def _write_small_images(folder: Path) -> None:
    """Three classes of noisy stripes, 16×16."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[0:16, 0:16]
    patterns = {"across": (rows // 3) % 2, "down": (columns // 3) % 2, "plain": np.zeros((16, 16))}
    for name, pattern in patterns.items():
        (folder / name).mkdir(parents=True)
        for index in range(SMALL_IMAGES):
            picture = 140 * pattern + random.integers(0, 100, (16, 16))
            Image.fromarray(picture.astype(np.uint8)).save(folder / name / f"{index:02}.png")


if __name__ == "__main__":
    main()
