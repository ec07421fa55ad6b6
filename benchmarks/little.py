"""What does a search get out of 200 imbalanced images? Draws from MNIST and CIFAR-10, each in several ways.

    python -m benchmarks.little --data ../data --work work

A draw is five classes at random with 93, 52, 29, 17 and 9 images of the training file, split as the service splits a
data set. The network is judged on 2,000 other images of that file, 400 of each class, which neither search nor training
saw; no test file is read. A way is a row in the work folder, and a run that was stopped resumes from there.
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.environment import save
from benchmarks.pools import load_images, shuffled
from benchmarks.strategies import Rows, interval
from ldnas.data.dataset import Split
from ldnas.data.split import draw_split
from ldnas.data.task_data import ImageSet
from ldnas.intervals import wilson_interval
from ldnas.networks.resnet import build_scaled_resnet18, resnet18_size, widest_resnet18
from ldnas.search.base import SearchBudget, SearchProblem, SearchRun, Strategy
from ldnas.search.fuse import Fuse, FuseConfig
from ldnas.search.repeated_splits import OverSplits, OverSplitsConfig
from ldnas.seeding import derive_seed
from ldnas.space.complexity import parameters
from ldnas.space.genotype import Genotype
from ldnas.space.network import build_cell_network
from ldnas.space.skeleton import default_skeleton
from ldnas.space.space import FULL_SPACE
from ldnas.training.augmentation import Augmentation
from ldnas.training.evaluation import Evaluation, evaluate
from ldnas.training.final import DataFacts, data_facts, final_config, warnings_of
from ldnas.training.train import TrainConfig, fit

DATASETS = ("mnist", "cifar10")
DRAWS = 6
SIZES = (93, 52, 29, 17, 9)
JUDGES_OF_A_CLASS = 400
IMAGE_SIZE = 16
SEARCH_SECONDS = 15.0
OBJECTIVE = "balanced_accuracy"
WIDE = 16
FUSE = FuseConfig(batch_size=14)  # as the service's
PLAIN = TrainConfig(
    epochs=15, minimum_steps=200, label_smoothing=0.1, augmentation=Augmentation(shift_pixels=1), weight_decay=5e-2
)
"""The recipe of final trainings before it knew of little data."""
WAYS = {
    "over_splits": "search over three splits, recipe for little data",
    "one_split": "search on the task's own split, the same recipe",
    "plain_recipe": "the cell of over_splits, plain recipe",
    "random_cell": "a cell drawn at random, the same recipe",
    "resnet18": "ResNet-18 of at most the parameters of that cell, recipe for little data",
    "unweighted": "the cell of over_splits, recipe for little data without weights of the classes",
    "resnet18_wide": f"ResNet-18 of width {WIDE}, the same recipe",
}


@dataclass(frozen=True, eq=False)
class Draw:
    """A task of 200 images, and the images that judge it."""

    dataset: str
    number: int
    train: ImageSet
    validation: ImageSet
    test: ImageSet
    judges: ImageSet

    @property
    def seed(self) -> int:
        return derive_seed(self.number, "little", self.dataset)

    @property
    def problem(self) -> SearchProblem:
        skeleton = default_skeleton(IMAGE_SIZE, len(SIZES))
        return SearchProblem(self.train, self.validation, FULL_SPACE, skeleton)

    @cached_property
    def facts(self) -> DataFacts:
        return data_facts(self.train, self.validation, classes=len(SIZES), seed=self.seed)


def draw(images: ImageSet, dataset: str, number: int) -> Draw:
    """The draw of this number: another five classes and other images each time."""
    seed = derive_seed(number, "draw", dataset)
    order = shuffled(len(images), seed=seed)
    kept: list[torch.Tensor] = []
    judges: list[torch.Tensor] = []
    for label, size in zip(random.Random(seed).sample(range(10), len(SIZES)), SIZES, strict=True):
        places = order[images.labels[order] == label]
        kept.append(places[:size])
        judges.append(places[size : size + JUDGES_OF_A_CLASS])
    own, judging = _numbered(images, kept), _numbered(images, judges)
    contents = [image.numpy().tobytes() for image in own.images]
    nothing = [None] * len(own)
    splits = draw_split(contents, own.labels.tolist(), nothing, nothing).splits
    parts = [
        own.subset(torch.tensor([place for place, split in enumerate(splits) if split is part]))
        for part in (Split.TRAIN, Split.VALIDATION, Split.TEST)
    ]
    return Draw(dataset, number, *parts, judges=judging)


def _numbered(images: ImageSet, places: Sequence[torch.Tensor]) -> ImageSet:
    labels = torch.cat([torch.full((len(own),), label) for label, own in enumerate(places)])
    return ImageSet(images.images[torch.cat(list(places))], labels)


def search(task: Draw, way: str) -> dict[str, Any]:
    """The cell that a way takes, and the CPU seconds of finding it."""
    if way == "random_cell":
        cell = FULL_SPACE.sample(random.Random(derive_seed(task.seed, "cell")))
        return {"genotype": cell.to_json(), "search_seconds": 0.0}
    strategy: Strategy = Fuse(FUSE)
    if way == "over_splits":
        strategy = OverSplits(strategy, OverSplitsConfig(objective=OBJECTIVE))
    began = time.process_time()
    budget = SearchBudget(seconds=SEARCH_SECONDS)
    outcome = strategy.search(SearchRun(task.problem, budget, task.seed, clock=time.process_time))
    return {
        "genotype": outcome.best.to_json(),
        "search_seconds": time.process_time() - began,
        "iterations": outcome.iterations,
        "scored": len(outcome.scored),
    }


def run(task: Draw, way: str, chosen: dict[str, Any]) -> dict[str, Any]:
    """One way on one draw; `chosen` holds the genotype of `over_splits` once that is known."""
    found = search(task, way) if way in ("over_splits", "one_split", "random_cell") else {}
    genotype = Genotype.from_json(found.get("genotype") or chosen["genotype"])
    config = final_config(task.facts, objective="accuracy" if way == "unweighted" else OBJECTIVE)
    network, size = _network(task, way, genotype)
    began = time.process_time()
    fit(network, task.train, config=PLAIN if way == "plain_recipe" else config, seed=derive_seed(task.seed, "final"))
    seconds = time.process_time() - began
    judged, test = evaluate(network, task.judges), evaluate(network, task.test)
    return {**found, **size, "training_seconds": seconds, **_scores(task, judged, test)}


def _network(task: Draw, way: str, genotype: Genotype) -> tuple[nn.Module, dict[str, int]]:
    seed, skeleton = derive_seed(task.seed, "weights"), task.problem.skeleton
    most = parameters(genotype, skeleton)
    if not way.startswith("resnet18"):
        return build_cell_network(genotype, skeleton, seed=seed), {"parameters": most}
    classes = len(SIZES)
    width = WIDE if way == "resnet18_wide" else widest_resnet18(classes, image_size=IMAGE_SIZE, max_parameters=most)
    network = build_scaled_resnet18(classes, seed=seed, width=width)
    return network, {"parameters": resnet18_size(classes, width, IMAGE_SIZE)[0], "width": width}


def _scores(task: Draw, judged: Evaluation, test: Evaluation) -> dict[str, Any]:
    """What judges saw, and whether the interval from the few test images holds what they saw.

    The accuracy that a test is an estimate of: the recalls of the judged classes in the shares of the test's classes.
    """
    shares = torch.bincount(task.test.labels, minlength=len(SIZES)).double() / len(task.test)
    truth = float(shares @ torch.tensor(judged.recall, dtype=torch.float64))
    low, high = wilson_interval(test.accuracy, len(task.test))
    return {
        "balanced_accuracy": judged.balanced_accuracy,
        "recall": list(judged.recall),
        "loss": judged.loss,
        "test_accuracy": test.accuracy,
        "test_interval": [low, high],
        "accuracy_at_the_tests_shares": truth,
        "covered": low <= truth <= high,
    }


def summarise(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """For each data set and for both: means, and what `over_splits` has more than each other way, draw by draw."""
    summary: dict[str, Any] = {}
    for name in (*DATASETS, "together"):
        own = [row for row in rows if name in (row["dataset"], "together")]
        scores: dict[str, dict[tuple[str, int], float]] = {way: {} for way in WAYS}
        for row in own:
            scores[row["way"]][row["dataset"], row["draw"]] = row["balanced_accuracy"]
        ways = {}
        for way, found in scores.items():
            both = [key for key in scores["over_splits"] if key in found]
            if len(both) < 2:
                continue
            gains = [scores["over_splits"][key] - found[key] for key in both]
            mine = [row for row in own if row["way"] == way]
            ways[way] = {
                "draws": len(both),
                "balanced_accuracy": statistics.fmean(found.values()),
                "recall_of_smallest": statistics.fmean(row["recall"][-1] for row in mine),
                "parameters": statistics.fmean(row["parameters"] for row in mine),
                "training_seconds": statistics.fmean(row["training_seconds"] for row in mine),
                "over_splits_has_more": statistics.fmean(gains),
                "over_splits_has_more_interval": interval(gains),
            }
        covered = [row["covered"] for row in own]
        widths = [row["test_interval"][1] - row["test_interval"][0] for row in own]
        summary[name] = {
            "ways": ways,
            "tests": len(own),
            "intervals_that_held_the_truth": statistics.fmean(covered) if covered else None,
            "width_of_intervals": statistics.fmean(widths) if widths else None,
        }
    return summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder with mnist/ and cifar10/ as Parquet")
    parser.add_argument("--work", type=Path, required=True, help="where finished runs are kept")
    parser.add_argument(
        "--dataset", choices=DATASETS, help="only this one's runs, for use alongside other processes; saves nothing"
    )
    parser.add_argument("--draws", type=int, default=DRAWS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # CPU seconds then say what a run took, whatever else the machine does
    rows = Rows(arguments.work)
    names = [arguments.dataset] if arguments.dataset else DATASETS
    images: dict[str, ImageSet] = {}
    for number in range(arguments.draws):
        for name in names:
            left = [way for way in WAYS if not rows.has(dataset=name, draw=number, way=way)]
            if left and name not in images:
                images[name] = load_images(arguments.data, name, image_size=IMAGE_SIZE)
            task = draw(images[name], name, number) if left else None
            for way in left:
                assert task is not None
                key = {"dataset": name, "draw": number}
                found = [row for row in rows.all if row.items() >= {**key, "way": "over_splits"}.items()]
                rows.add({**key, "way": way, **run(task, way, found[0] if found else {})})
                print(json.dumps(rows.all[-1]), flush=True)
    if arguments.dataset:
        return
    summary = summarise(rows.all)
    print(json.dumps(summary, indent=2))
    print(save("little", {**_about(), "summary": summary, "rows": rows.all}))


def _about() -> dict[str, Any]:
    """The settings of the runs, with the recipe and the warnings that colour images of these sizes get."""
    facts = DataFacts((65, 36, 19, 11, 5), validation_images=32, image_size=IMAGE_SIZE, colour=True, mirrors=True)
    return {
        "sizes": SIZES,
        "image_size": IMAGE_SIZE,
        "search_seconds": SEARCH_SECONDS,
        "objective": OBJECTIVE,
        "ways": WAYS,
        "recipes": {"little": asdict(final_config(facts, objective=OBJECTIVE)), "plain": asdict(PLAIN)},
        "warnings": warnings_of(facts, objective=OBJECTIVE),
    }


if __name__ == "__main__":
    main()
