"""Is the recommendation better than what a user would get without it in the same seconds?

    python -m benchmarks.recommendation --data ../data --work work

Each way spends the same CPU seconds of one thread on a target; the cost of the distances is part of our seconds. The
known tasks are the paper's others, leave one out. Accuracy counts on images that no way sees before its end: of the
training files for the paper's tasks, and the test images of the digits and of folders of pictures, which are read once,
when the row is made. Way, target and seed are one unit; units leave rows, and a run that was stopped resumes.
"""

import argparse
import random
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.environment import save
from benchmarks.paper.data import PaperData
from benchmarks.paper.result import RE_ENCODING
from benchmarks.paper.running import Runner, companions, run_plan
from benchmarks.paper.tasks import TASKS
from benchmarks.paper.units import Row, Rows, Unit
from benchmarks.recommendation.memory import run_source, sources_of
from benchmarks.recommendation.summary import OURS, summarise
from benchmarks.recommendation.tasks import KNOWN_TRAIN, DatasetTarget, PaperTarget, Target
from benchmarks.recommendation.ways import WAYS, Setting
from ldnas.seeding import derive_seed
from ldnas.training.allocator import keep_freed_memory
from ldnas.training.evaluation import evaluate
from ldnas.training.final import DataFacts

CELL_SIZE = 16
"""The side of the images of the ways with cells alone, in pixels, as in the measurements before."""

MEMORY_SEED = 1000
"""The seed of the known tasks, which all targets share; no target has it."""


def run(values: Mapping[str, Any], data: PaperData, device: torch.device, needed: Sequence[Row], *, work: Path) -> Row:
    """One way, target and seed."""
    target, number = _target(values, data)
    setting = Setting(
        target,
        _facts(target, values["seed"]),
        sources_of(needed, work, but=number),
        values["seed"],
        values["seconds"],
        fixed_size=values["ways"] == "cells",
    )
    found = WAYS[values["ways"]][values["way"]](setting)
    scores = evaluate(found.network, target.judges(found.image_size))
    return {
        "accuracy": scores.accuracy,
        "balanced_accuracy": scores.balanced_accuracy,
        "image_size": found.image_size,
        **found.facts,
    }


def plan(
    targets: Mapping[str, Sequence[str]],
    *,
    known: Sequence[int],
    seeds: int,
    seconds: float,
    study: float,
    chosen: Sequence[str] | None = None,
    fewer: Sequence[int] = (),
) -> list[Unit]:
    """The known tasks, then all ways seed by seed: whatever slows the machine for a while slows them all.

    Args:
        targets: by the group of their ways.
        known: the numbers of the known tasks.
        study: seconds of each full training of a known task.
        chosen: the names of the ways that run; None for all.
        fewer: numbers of known tasks with which ours runs as well, on the targets of the ways with cells alone.
    """
    sources = {
        number: Unit(
            "source",
            {"task": number, "seed": MEMORY_SEED, "study_seconds": study, "study_images": KNOWN_TRAIN},
            2 * study,
        )
        for number in known
    }
    needs = tuple(unit.id for unit in sources.values())
    runs = [
        Unit("way", {"target": name, "ways": ways, "way": way, "seed": seed, "seconds": seconds}, seconds, needs)
        for seed in range(seeds)
        for ways, names in targets.items()
        for name in names
        for way in WAYS[ways]
        if chosen is None or way in chosen
    ]
    runs += [
        Unit(
            "way",
            {"target": name, "ways": "cells", "way": OURS, "known": count, "seed": seed, "seconds": seconds},
            seconds,
            tuple(sources[number].id for number in _drawn(known, name, count, seed)),
        )
        for seed in range(seeds)
        for name in targets.get("cells", ())
        for count in fewer
    ]
    return [*sources.values(), *runs]


def _drawn(known: Sequence[int], target: str, count: int, seed: int) -> list[int]:
    """So many known tasks other than the target, drawn by the seed; a smaller number is a part of a larger one."""
    others = [number for number in known if str(number) != target]
    return random.Random(derive_seed(seed, "known", target)).sample(others, len(others))[:count]


def _target(values: Mapping[str, Any], data: PaperData) -> tuple[Target, int | None]:
    """The target that a name stands for: a number of the paper's tasks, `digits`, or NAME=FOLDER."""
    name = values["target"]
    if name.isdigit():
        size = CELL_SIZE if values["ways"] == "cells" else 32
        return PaperTarget(data, int(name), values["seed"], image_size=size), int(name)
    if name == "digits":
        return DatasetTarget("digits", "builtin://digits"), None
    label, _, folder = name.partition("=")
    return DatasetTarget(label, Path(folder).resolve().as_uri()), None


_known_facts: dict[tuple[str, int, int], DataFacts] = {}


def _facts(target: Target, seed: int) -> DataFacts:
    """The facts about a target's images, found once for all ways: whether they may be mirrored takes a training."""
    key = (target.name, target.image_size, seed)
    if key not in _known_facts:
        _known_facts[key] = target.facts(seed)
    return _known_facts[key]


def _print(unit: Unit, row: Row) -> None:
    accuracy = row["outcome"].get("accuracy")
    print(unit.name, "" if accuracy is None else f"{100 * accuracy:.1f}", f"{row['seconds']:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.recommendation", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--data", type=Path, required=True, help="the folder with mnist/ and cifar10/ as Parquet")
    parser.add_argument("--work", type=Path, required=True, help="where rows and weights are kept")
    parser.add_argument(
        "--targets", nargs="*", default=["3", "4", "6", "7", "digits"], help="numbers, digits, NAME=FOLDER"
    )
    parser.add_argument("--cells", nargs="*", default=["6"], help="targets of the ways with cells alone")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60.0, help="CPU seconds of each way")
    parser.add_argument("--study", type=float, default=30.0, help="CPU seconds of each full training of a known task")
    parser.add_argument("--known", type=int, nargs="*", default=[task.number for task in TASKS["paper"]])
    parser.add_argument("--fewer", type=int, nargs="*", default=[], help="run ours with so many known tasks, too")
    parser.add_argument("--ways", nargs="*", help="the ways that run; all without it")
    parser.add_argument("--processes", type=int, default=1, help="how many units run at a time")
    parser.add_argument("--no-save", action="store_true")
    parser.add_argument("--part", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()  # as a runner does
    targets = {"cells": arguments.cells, "all": arguments.targets}
    units = plan(
        targets,
        known=arguments.known,
        seeds=arguments.seeds,
        seconds=arguments.seconds,
        study=arguments.study,
        chosen=arguments.ways,
        fewer=arguments.fewer,
    )
    rows = Rows(arguments.work / "rows")
    runners: dict[str, Runner] = {
        "source": partial(run_source, work=arguments.work),
        "way": partial(run, work=arguments.work),
    }
    with companions("benchmarks.recommendation", 0 if arguments.part else arguments.processes - 1):
        run_plan(units, rows, PaperData(arguments.data), torch.device("cpu"), runners=runners, on_row=_print)
    if arguments.part:
        return
    finished = rows.of(units)
    result = {
        "units": len(units),
        "finished": len(finished),
        "processes": arguments.processes,
        "summary": summarise([row for row in finished if row["unit"]["kind"] == "way"]),
        "note": RE_ENCODING,
        "rows": [{"values": row["unit"]["values"], "seconds": row["seconds"], **row["outcome"]} for row in finished],
    }
    print(result["summary"])
    if not arguments.no_save:
        print(save("recommendation", result))


if __name__ == "__main__":
    main()
