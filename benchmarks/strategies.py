"""Which search finds the better network in equal time? Every strategy on three tasks, and a cell drawn at random.

    python -m benchmarks.strategies --data ../data --work work

A strategy searches the full space for the same CPU seconds, on the same images, from five seeds; what it chose is then
trained from scratch by one recipe and measured on images that neither search nor training saw (from the training files:
no test split is read). Strategies with shared weights fit their schedule to the seconds, from the time that one
iteration was seen to take. Each run is a row in the work folder, and a run that was stopped resumes from there.
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from scipy import stats

from benchmarks.environment import save
from benchmarks.pools import load_images, shuffled
from ldnas.data.load import load_dataset
from ldnas.data.preprocessing import Preprocessing
from ldnas.data.reference import DatasetReference
from ldnas.data.task_data import ImageSet, task_data
from ldnas.search.base import SearchBudget, SearchProblem, SearchRun, Strategy
from ldnas.search.darts import Darts, DartsConfig
from ldnas.search.enas import Enas, EnasConfig
from ldnas.search.evolution import Evolution
from ldnas.search.fuse import Fuse, FuseConfig
from ldnas.search.pc_darts import PcDarts, PcDartsConfig
from ldnas.search.random import RandomSearch
from ldnas.search.random_sharing import RandomSharing, RandomSharingConfig
from ldnas.seeding import derive_seed
from ldnas.space.complexity import parameters
from ldnas.space.genotype import Genotype
from ldnas.space.network import build_cell_network
from ldnas.space.skeleton import default_skeleton
from ldnas.space.space import FULL_SPACE
from ldnas.training.augmentation import Augmentation
from ldnas.training.train import TrainConfig, evaluate, fit

SEEDS = 5
CONFIDENCE = 0.9
FINAL = TrainConfig(
    epochs=10, minimum_steps=150, label_smoothing=0.1, augmentation=Augmentation(shift_pixels=1), weight_decay=5e-2
)
PLAIN: dict[str, Callable[[], Strategy]] = {
    "fuse": Fuse,
    "fuse_relaxed": lambda: Fuse(FuseConfig().as_in_paper()),
    "random": RandomSearch,
    "evolution": Evolution,
}
SHARING: dict[str, Callable[[int], Strategy]] = {
    "random_sharing": lambda iterations: RandomSharing(RandomSharingConfig(iterations=iterations)),
    "enas": lambda iterations: Enas(EnasConfig(iterations=iterations)),
    "darts": lambda iterations: Darts(DartsConfig(iterations=iterations)),
    "darts_second_order": lambda iterations: Darts(DartsConfig(iterations=iterations, order=2)),
    "pc_darts": lambda iterations: PcDarts(PcDartsConfig(iterations=iterations, warm_up=round(0.3 * iterations))),
}
"""Strategies whose schedule has a length; PC-DARTS lets α rest for 3 tenths of it, as in the paper."""
STRATEGIES = ("random_cell", *PLAIN, *SHARING)


@dataclass(frozen=True, eq=False)
class BenchmarkTask:
    """One task: what a search may see, what judges the network that it found, and the seconds of a search."""

    name: str
    train: ImageSet
    validation: ImageSet
    evaluation: ImageSet
    seconds: float

    @property
    def problem(self) -> SearchProblem:
        skeleton = default_skeleton(self.train.images.shape[-1], 10)
        return SearchProblem(self.train, self.validation, FULL_SPACE, skeleton)


def tasks(data: Path) -> list[BenchmarkTask]:
    """Digits at 8×8 and subsets of MNIST and CIFAR-10 at 16×16, ten classes each."""
    reference = DatasetReference.from_json({"uri": "builtin://digits"})
    digits = task_data(load_dataset(reference, roots=[], cache=data), None, Preprocessing(8)).train
    found = [_cut("digits", digits, train=600, validation=200, seconds=20.0)]
    for name in ("mnist", "cifar10"):
        images = load_images(data, name, image_size=16)
        found.append(_cut(name, images, train=600, validation=300, seconds=25.0))
    return found


def _cut(name: str, images: ImageSet, *, train: int, validation: int, seconds: float) -> BenchmarkTask:
    order = shuffled(len(images), seed=0)
    first, second = train, train + validation
    parts = (order[:first], order[first:second], order[second : second + 2000])
    return BenchmarkTask(name, *(images.subset(part) for part in parts), seconds=seconds)


def search(name: str, task: BenchmarkTask, seed: int, seconds_of_an_iteration: float) -> dict[str, Any]:
    """What one search chose and what it took; a cell drawn at random takes nothing."""
    if name == "random_cell":
        drawn = FULL_SPACE.sample(random.Random(derive_seed(seed, "cell")))
        return {"genotype": drawn.to_json(), "iterations": 0, "seconds": 0.0, "scored": 0}
    if name in SHARING:
        strategy = SHARING[name](max(2, round(task.seconds / seconds_of_an_iteration)))
    else:
        strategy = PLAIN[name]()
    begun = time.process_time()
    outcome = _run(strategy, task, SearchBudget(seconds=task.seconds), seed)
    return {
        "genotype": outcome.best.to_json(),
        "iterations": outcome.iterations,
        "seconds": time.process_time() - begun,
        "scored": len(outcome.scored),
    }


def seconds_of_an_iteration(name: str, task: BenchmarkTask) -> float:
    """CPU seconds of the second iteration of a strategy with shared weights; 0 for one whose length is free."""
    if name not in SHARING:
        return 0.0
    ends: list[float] = []

    def on_event(event: Any) -> None:
        if event.kind == "iteration":
            ends.append(time.process_time())

    _run(SHARING[name](2), task, SearchBudget(iterations=2), 0, on_event)
    return ends[1] - ends[0]


def _run(
    strategy: Strategy,
    task: BenchmarkTask,
    budget: SearchBudget,
    seed: int,
    on_event: Callable[[Any], None] = lambda event: None,
) -> Any:
    return strategy.search(SearchRun(task.problem, budget, seed, on_event, clock=time.process_time))


def train_alone(task: BenchmarkTask, genotype: Genotype, seed: int) -> dict[str, float]:
    """The network from scratch by the one recipe: its scores on the images that judge it."""
    skeleton = task.problem.skeleton
    own_seed = derive_seed(seed, "final")
    network = build_cell_network(genotype, skeleton, seed=own_seed)
    fit(network, task.train, config=FINAL, seed=own_seed)
    found = evaluate(network, task.evaluation)
    return {"accuracy": found.accuracy, "loss": found.loss, "parameters": parameters(genotype, skeleton)}


def interval(values: Sequence[float]) -> list[float]:
    """90 % Student t interval of the mean over seeds."""
    mean = statistics.fmean(values)
    error = statistics.stdev(values) / len(values) ** 0.5
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, len(values) - 1)) * error
    return [mean - half, mean + half]


def summarise(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """By task and strategy: the mean over seeds with its interval, and the gain over a random cell, seed by seed."""
    summary: dict[str, Any] = {}
    for task in dict.fromkeys(row["task"] for row in rows):
        drawn = {row["seed"]: row for row in rows if row["task"] == task and row["strategy"] == "random_cell"}
        for strategy in dict.fromkeys(row["strategy"] for row in rows):
            own = [row for row in rows if row["task"] == task and row["strategy"] == strategy]
            if len(own) < 2:
                continue
            accuracies = [row["accuracy"] for row in own]
            gains = [row["accuracy"] - drawn[row["seed"]]["accuracy"] for row in own]
            summary[f"{task}/{strategy}"] = {
                "seeds": len(own),
                "accuracy": statistics.fmean(accuracies),
                "accuracy_interval": interval(accuracies),
                "gain_over_random_cell": statistics.fmean(gains),
                "gain_interval": interval(gains),
                "loss": statistics.fmean(row["loss"] for row in own),
                "parameters": statistics.fmean(row["parameters"] for row in own),
                "search_seconds": statistics.fmean(row["seconds"] for row in own),
                "iterations": statistics.fmean(row["iterations"] for row in own),
            }
    return summary


class Rows:
    """The finished runs, one line each; the rows are the state."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "rows.jsonl"
        lines = self._file.read_text(encoding="utf-8").splitlines() if self._file.exists() else []
        self.all: list[dict[str, Any]] = [json.loads(line) for line in lines]

    def has(self, **key: Any) -> bool:
        return any(row.items() >= key.items() for row in self.all)

    def add(self, row: dict[str, Any]) -> None:
        self.all.append(row)
        with self._file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(row) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder with mnist/ and cifar10/ as Parquet")
    parser.add_argument("--work", type=Path, required=True, help="where finished runs are kept")
    parser.add_argument("--quick", action="store_true", help="searches of two seconds, to try it out; nothing is saved")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # CPU seconds then say what a run took, whatever else the machine does
    rows = Rows(arguments.work)
    every = tasks(arguments.data)
    if arguments.quick:
        every = [replace(task, seconds=2.0) for task in every]
    lengths: dict[tuple[str, str], float] = {}
    # Seed by seed, strategy by strategy: whatever slows the machine for a while slows them all.
    for seed in range(SEEDS):
        for task in every:
            for name in STRATEGIES:
                if rows.has(task=task.name, strategy=name, seed=seed):
                    continue
                if (task.name, name) not in lengths:
                    lengths[task.name, name] = seconds_of_an_iteration(name, task)
                found = search(name, task, seed, lengths[task.name, name])
                scores = train_alone(task, Genotype.from_json(found["genotype"]), seed)
                row = {"task": task.name, "strategy": name, "seed": seed, **found, **scores}
                rows.add(row)
                print(json.dumps(row), flush=True)
    summary = summarise(rows.all)
    print(json.dumps(summary, indent=2))
    if not arguments.quick:
        seconds = {task.name: task.seconds for task in every}
        print(save("strategies", {"seconds": seconds, "final": asdict(FINAL), "summary": summary, "rows": rows.all}))


if __name__ == "__main__":
    main()
