"""`ldnas demo`: registers four tasks on scikit-learn's digits, and recommends a network for a fifth."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from service.cli.demo.background import service_on
from service.cli.demo.display import Display, open_display
from service.cli.demo.following import follow_all
from service.cli.demo.history import JobHistory
from service.cli.supervision.errors import DemoFailedError
from service.cli.supervision.supervisor import log_folder
from service.client import Client
from service.client.display.answer import print_answer
from service.client.documents import Recommendation
from service.client.errors import ClientError
from service.client.submission import Submission, require_success
from service.schemas.tasks import Task, TaskSummary
from worker.settings import Settings

# The demo's own service does not restart within this time unless it has crashed.
ABSENCE_SECONDS = 30.0
DATASET = {"uri": "builtin://digits"}


@dataclass(frozen=True)
class DemoTask:
    """A task of the demo: its name, its question, and its label mapping."""

    name: str
    about: str
    labels: dict[str, Any] | None


BASELINES = (
    DemoTask("odd_or_even", "is the digit odd?", {"groups": [[1, 3, 5, 7, 9]], "rest": True}),
    DemoTask("ten_digits", "which of the ten is it?", None),
    DemoTask("closed_loops", "does it have a loop (0 6 8 9)?", {"groups": [[0, 6, 8, 9]], "rest": True}),
    DemoTask("small_or_large", "is it below five?", {"groups": [[0, 1, 2, 3, 4]], "rest": True}),
)
# Enough for 98 % on two cores within about a minute, all five tasks together.
BUDGET = {"seconds": 30}

TARGET = DemoTask("primes", "is the digit a prime (2 3 5 7)?", {"groups": [[2, 3, 5, 7]], "rest": True})


def run_demo(settings: Settings, *, show_answer: bool, seed: int = 0, api_key: str | None = None) -> Recommendation:
    """Runs the demo on this home and returns the API's recommendation.

    `seed` applies only to the target. `api_key` is needed for a home with keys. Progress is printed on standard error,
    the answer on standard output.

    Raises:
        DemoFailedError: the demo failed; states the reason and the folder of the logs.
    """
    console = Console(stderr=True)
    _introduce(console, settings)
    try:
        with (
            open_display(console) as display,
            service_on(settings) as url,
            Client(url, api_key, absence_seconds=ABSENCE_SECONDS) as client,
        ):
            document = _recommend(client, display, seed)
            folder = _export(client, document, settings.home / "demo")
    except KeyboardInterrupt:
        console.print("Stopped. The next demo on this home resumes from the stored results.", highlight=False)
        raise
    except ClientError as error:
        raise DemoFailedError(str(error), log_folder(settings)) from error
    if show_answer:
        print_answer(document)
        print_next_steps(Console(), folder, settings)
    return document


def _introduce(console: Console, settings: Settings) -> None:
    console.print(Text("ldnas demo", style="bold"))
    console.print(
        "1,797 scans of handwritten digits, 8×8 pixels. The demo registers four tasks on them;\n"
        "for a fifth, new task several kinds of networks race; the closest known task gives the cell.",
        highlight=False,
    )
    console.print(Text(f"All files are in {settings.home}", style="dim"), soft_wrap=True)


def _recommend(client: Client, display: Display, seed: int) -> Recommendation:
    known = {JobHistory(task.name, task.about): _baseline(client, task) for task in BASELINES}
    display.begin("Four known tasks", tuple(known))
    _follow(known, display)
    target = client.recommend(
        DATASET,
        name=TARGET.name,
        labels=TARGET.labels,
        baselines=[submission.id for submission in known.values()],
        budget=BUDGET,
        seed=seed,
    )
    history = JobHistory(TARGET.name, TARGET.about, is_target=True)
    display.begin("A new task", (history,))
    try:
        _follow({history: target}, display)
    except KeyboardInterrupt:
        target.cancel()
        raise
    return target.get()


def _baseline(client: Client, task: DemoTask) -> Submission[Task]:
    """The baseline of an earlier run, or a new one; a failed one is registered again."""
    for known in client.tasks(role="baseline"):
        if known.name == task.name and known.dataset["uri"] == DATASET["uri"] and _same(known, task):
            if known.state not in ("failed", "cancelled"):
                return client.submission_of(known)
            client.remove_task(known.id)
    return client.register_task(task.name, DATASET, labels=task.labels, study={"cells": 0})


def _same(known: TaskSummary, task: DemoTask) -> bool:
    """Whether a registered task has the label mapping of the demo's task."""
    labels, wanted = known.labels or {}, task.labels or {}
    return (labels.get("groups"), bool(labels.get("rest"))) == (wanted.get("groups"), bool(wanted.get("rest")))


def _follow(jobs: Mapping[JobHistory, Submission[Any]], display: Display) -> None:
    follow_all(jobs, display.report)
    for history, submission in jobs.items():
        require_success(submission.status(), history.label)


def _export(client: Client, document: Recommendation, folder: Path) -> Path:
    """Writes all files of the network and the answer to a folder."""
    client.download(document["architecture"]["id"], folder)
    (folder / "recommendation.json").write_text(
        json.dumps(document.json, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    return folder


def print_next_steps(console: Console, folder: Path, settings: Settings) -> None:
    """Prints the paths of the files, and the next steps."""
    shown = _relative(folder)
    for text in (
        "",
        f"In {shown}:",
        "  network.py            the network as one file that needs only torch",
        "  weights.safetensors   its weights",
        "  network.pt2           the same for torch.export.load",
        "  network.onnx          the same for ONNX Runtime",
        "  card.md               its scores, its limits, and how to use each file",
        "  recommendation.json   the complete answer",
        f"  try it:  python {shown}/network.py {shown}/weights.safetensors IMAGE.png",
        "",
        f"Next:  ldnas up  starts the service; http://{settings.host}:{settings.port}/docs explains its API.",
    ):
        console.print(text, markup=False, highlight=False, soft_wrap=True)


def _relative(path: Path) -> Path:
    """The path, relative to the working directory if it is inside."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
