"""Which kind of network is best within some seconds, and does the race find it?

    python -m benchmarks.race --data ../data --work work

Each way spends the same CPU seconds of one thread on 2,000 training and 1,000 validation images of one of the paper's
tasks: a race of all kinds, and each kind alone for all the seconds. It is judged on 2,500 other images of
the training files, so no test image is read. Way, task and seed are one unit; units leave rows, and a run that was
stopped resumes.
"""

import argparse
import random
import statistics
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch

import benchmarks.cpu_clock  # noqa: F401  (before the modules that read the clock)
from benchmarks.environment import save
from benchmarks.paper.data import PaperData
from benchmarks.paper.running import print_row, run_plan
from benchmarks.paper.tasks import CIFAR10, TASKS, PaperTask
from benchmarks.paper.units import Row, Rows, Unit
from benchmarks.strategies import interval
from ldnas.data.task_data import ImageSet
from ldnas.networks.design import Kind
from ldnas.race.candidate import Candidate
from ldnas.race.field import RaceTask, candidates_for
from ldnas.race.race import Race, RaceImages, RaceProblem
from ldnas.seeding import derive_seed
from ldnas.space.space import FULL_SPACE
from ldnas.training.evaluation import evaluate
from ldnas.training.final import DataFacts, final_config
from ldnas.training.train import TrainConfig

TRAIN, VALIDATION, JUDGES = 2000, 1000, 2500
SIZE = 32
"""Side of the images of both sources, in pixels; the race may choose others."""

WAYS: Mapping[str, frozenset[Kind]] = {
    "race": frozenset(Kind),
    **{f"{kind.value} alone": frozenset({kind}) for kind in Kind},
}
"""The kinds that take part: all of them, or one, which gets all the seconds."""


class Task:
    """One of the paper's tasks with the images of one seed, at any size."""

    def __init__(self, data: PaperData, number: int, seed: int) -> None:
        self.task: PaperTask = TASKS["paper"][number]
        self._data, self._seed = data, seed
        self.images = cache(self._images)

    def recipe(self, size: int) -> TrainConfig:
        """The recipe of a network from scratch; natural photographs may be mirrored, digits may not."""
        counts = torch.bincount(self.images(size).train.labels, minlength=self.task.classes)
        natural = self.task.dataset == CIFAR10
        return final_config(DataFacts(tuple(counts.tolist()), VALIDATION, size, natural, natural))

    def judges(self, size: int) -> ImageSet:
        """Images that no way trains on or chooses by."""
        return self._part("validation", size, VALIDATION + JUDGES).subset(torch.arange(VALIDATION, VALIDATION + JUDGES))

    def _images(self, size: int) -> RaceImages:
        validation = self._part("validation", size, VALIDATION + JUDGES).subset(torch.arange(VALIDATION))
        return RaceImages(self._part("train", size, TRAIN), validation)

    def _part(self, split: str, size: int, count: int) -> ImageSet:
        whole = self.task.images(self._data.images(self.task.dataset, split, size), limit=count, seed=self._seed)
        order = torch.randperm(len(whole), generator=torch.Generator().manual_seed(derive_seed(self._seed, split)))
        return whole.subset(order)


def candidates(task: Task, seed: int, kinds: frozenset[Kind]) -> list[Candidate]:
    """The product's candidates; the cell is drawn at random, since no other task is known."""
    cell = FULL_SPACE.sample(random.Random(derive_seed(seed, "cell")))
    return candidates_for(RaceTask(SIZE, task.task.classes, [cell], task.recipe, kinds=kinds))


def run(values: Mapping[str, Any], data: PaperData, device: torch.device, needed: Sequence[Row]) -> Row:
    """One way, task and seed."""
    task, seed = Task(data, values["task"], values["seed"]), values["seed"]
    problem = RaceProblem(task.images, values["race_seconds"], seed=seed)
    outcome = Race(problem, candidates(task, seed, WAYS[values["way"]])).run()
    winner = outcome.finishers[0]
    return {
        "accuracy": evaluate(winner.network, task.judges(winner.candidate.image_size)).accuracy,
        "winner": winner.candidate.name,
        "race_seconds": outcome.seconds,
        "passed_over": [candidate.name for candidate in outcome.passed_over],
        "finishers": [
            {
                "name": each.candidate.name,
                "score": each.progress.score,
                "standard_error": each.progress.standing.standard_error if each.progress.standing else None,
                "cycles": [[cycle.rung, cycle.epochs, cycle.seconds, cycle.score] for cycle in each.progress.cycles],
            }
            for each in outcome.finishers
        ],
    }


def plan(tasks: Sequence[int], seeds: int, seconds: float) -> list[Unit]:
    return [
        Unit("way", {"task": task, "way": way, "seed": seed, "race_seconds": seconds}, seconds)
        for seed in range(seeds)
        for task in tasks
        for way in WAYS
    ]


def summarise(rows: Sequence[Row]) -> dict[str, Any]:
    """By task and way: accuracy with its 90 % interval over seeds; and the race's regret against the best way."""
    by_task: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        values = row["unit"]["values"]
        by_task.setdefault(f"task {values['task']}", {}).setdefault(values["way"], []).append(
            row["outcome"]["accuracy"]
        )
    return {
        task: {
            way: {
                "seeds": len(own),
                "accuracy": statistics.fmean(own),
                "interval": interval(own) if len(own) > 1 else None,
            }
            for way, own in ways.items()
        }
        | {"regret": max(map(statistics.fmean, ways.values())) - statistics.fmean(ways["race"])}
        for task, ways in by_task.items()
        if "race" in ways
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.race", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder with mnist/ and cifar10/ as Parquet")
    parser.add_argument("--work", type=Path, required=True, help="where the rows are kept")
    parser.add_argument("--tasks", type=int, nargs="+", default=[3, 6])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60.0, help="CPU seconds of each way")
    parser.add_argument("--no-save", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    units, rows = plan(arguments.tasks, arguments.seeds, arguments.seconds), Rows(arguments.work / "rows")
    data = PaperData(arguments.data)
    run_plan(units, rows, data, torch.device("cpu"), runners={"way": run}, on_row=print_row)
    finished = rows.of(units)
    result = {
        "settings": {"train": TRAIN, "validation": VALIDATION, "judges": JUDGES, "seconds": arguments.seconds},
        "summary": summarise(finished),
        "rows": [{"values": row["unit"]["values"], **row["outcome"]} for row in finished],
    }
    print(result["summary"])
    if not arguments.no_save:
        print(save("race", result))


if __name__ == "__main__":
    main()
