"""Does a warm start help? Compares a final training from a source task's weights with one from fresh weights.

    python -m benchmarks.warm_start --data ../data --work work

Each of four rounds has a cell drawn from the full space, a draw of images and seeds of its own. In a round the cell is
trained on each source task and then, from those weights but for the head, on the target task; also from fresh weights
by the same recipe, and from fresh weights with as many more epochs as the source training took in CPU seconds.
All recipes are those of the service's final training (`ldnas/training/final.py`); the scores are on images that none of
these trainings saw (from the training files: no test split is read). Each training is a row in the work folder, and a
run that was stopped resumes from there.
"""

import argparse
import json
import math
import random
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchmarks.environment import save
from benchmarks.pools import load_images, shuffled
from benchmarks.strategies import Rows, interval
from ldnas.data.task_data import ImageSet
from ldnas.seeding import derive_seed
from ldnas.space.genotype import Genotype
from ldnas.space.network import build_cell_network, start_from
from ldnas.space.skeleton import default_skeleton
from ldnas.space.space import FULL_SPACE
from ldnas.training.final import data_facts, final_config
from ldnas.training.train import TrainConfig, evaluate, fit

ROUNDS = 4
IMAGE_SIZE = 16
SOURCE_IMAGES = 2000
TARGET_IMAGES = (200, 1200)
VALIDATION_IMAGES = 200
EVALUATION_IMAGES = 2000


@dataclass(frozen=True)
class PickedTask:
    """Some labels of a data set, each a class."""

    name: str
    dataset: str
    labels: tuple[int, ...]


SOURCES = (
    PickedTask("digits 0 to 4", "mnist", (0, 1, 2, 3, 4)),
    PickedTask("cat, deer, frog", "cifar10", (3, 4, 6)),
    PickedTask("all digits", "mnist", tuple(range(10))),
)
TARGETS = {
    PickedTask("digits 5 to 9", "mnist", (5, 6, 7, 8, 9)): ("digits 0 to 4",),
    PickedTask("dog, horse, bird", "cifar10", (5, 7, 2)): ("cat, deer, frog", "all digits"),
}
"""Each target with the sources that it is begun from."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """A round's images of one task."""

    train: ImageSet
    validation: ImageSet
    evaluation: ImageSet
    classes: int

    def config(self, seed: int) -> TrainConfig:
        """The recipe of the service's final training for these images."""
        return final_config(data_facts(self.train, self.validation, classes=self.classes, seed=seed))


@cache
def images_of(data: Path, task: PickedTask) -> ImageSet:
    """All images of the task's classes, from the training files."""
    images = all_images(data, task.dataset)
    table = torch.full((10,), -1)
    table[list(task.labels)] = torch.arange(len(task.labels))
    labels = table[images.labels]
    return ImageSet(images.images[labels >= 0], labels[labels >= 0])


@cache
def all_images(data: Path, dataset: str) -> ImageSet:
    """The training images of a data set at the one size."""
    return load_images(data, dataset, image_size=IMAGE_SIZE)


def draw(data: Path, task: PickedTask, train: int, round: int) -> Drawn:
    """A round's images; a smaller draw's training images are among a larger one's, and both are judged on the same."""
    images = images_of(data, task)
    order = shuffled(len(images), seed=derive_seed(round, task.name))
    judged, trained = EVALUATION_IMAGES, EVALUATION_IMAGES + VALIDATION_IMAGES
    return Drawn(
        train=images.subset(order[trained : trained + train]),
        validation=images.subset(order[judged:trained]),
        evaluation=images.subset(order[:judged]),
        classes=len(task.labels),
    )


def train_on(
    drawn: Drawn, genotype: Genotype, config: TrainConfig, seed: int, start: Mapping[str, Tensor] | None = None
) -> tuple[dict[str, Tensor], dict[str, float]]:
    """The weights of the cell trained on the images, and its scores with what the training took in CPU seconds."""
    network = build_cell_network(genotype, default_skeleton(IMAGE_SIZE, drawn.classes), seed=seed)
    if start is not None:
        start_from(network, start)
    begun = time.process_time()
    fit(network, drawn.train, config=config, seed=seed)
    seconds = time.process_time() - begun
    found = evaluate(network, drawn.evaluation)
    scores = {"accuracy": found.accuracy, "loss": found.loss}
    return network.state_dict(), {**scores, "epochs": config.epochs_for(len(drawn.train)), "seconds": seconds}


class Bench:
    """The rows of a work folder, and the trainings that add to them."""

    def __init__(self, data: Path, folder: Path) -> None:
        self.rows = Rows(folder)
        self._data = data
        self._folder = folder

    def run_round(self, round: int) -> None:
        """A round's trainings from fresh weights and from those of each source, as far as they are not there yet."""
        genotype = self._genotype(round)
        weights = {source.name: self._source(source, round, genotype) for source in SOURCES}
        for task, sources in TARGETS.items():
            for images in TARGET_IMAGES:
                self._target(task, images, round, genotype, {name: weights[name] for name in sources})

    def run_longer(self, round: int) -> None:
        """The trainings from fresh weights that take as long as source and target together; `run_round` goes before."""
        for task, (related, *_) in TARGETS.items():
            for images in TARGET_IMAGES:
                key = {"task": task.name, "images": images, "round": round}
                if self.rows.has(**key, start="fresh, longer"):
                    continue
                own, more = self._seconds(**key, start="fresh"), self._seconds(task=related, round=round)
                drawn, seed = draw(self._data, task, images, round), self._target_seed(task, images, round)
                config = drawn.config(seed)
                epochs = math.ceil(config.epochs_for(images) * (own + more) / own)
                longer = replace(config, epochs=epochs, minimum_steps=0)
                _, scores = train_on(drawn, self._genotype(round), longer, seed)
                self._add({**key, "start": "fresh, longer", **scores})

    def _genotype(self, round: int) -> Genotype:
        return FULL_SPACE.sample(random.Random(derive_seed(round, "warm start cell")))

    def _target_seed(self, task: PickedTask, images: int, round: int) -> int:
        return derive_seed(round, "target", task.name, images)

    def _source(self, task: PickedTask, round: int, genotype: Genotype) -> dict[str, Tensor]:
        file = self._folder / f"{task.name} {round}.safetensors"
        key = {"task": task.name, "images": SOURCE_IMAGES, "round": round, "start": "source"}
        if not self.rows.has(**key):
            seed = derive_seed(round, "source", task.name)
            drawn = draw(self._data, task, SOURCE_IMAGES, round)
            weights, scores = train_on(drawn, genotype, drawn.config(seed), seed)
            save_file({name: tensor.contiguous() for name, tensor in weights.items()}, file)
            self._add({**key, **scores, "genotype": genotype.to_json()})
        return load_file(file)

    def _target(
        self, task: PickedTask, images: int, round: int, genotype: Genotype, starts: Mapping[str, Mapping[str, Tensor]]
    ) -> None:
        key = {"task": task.name, "images": images, "round": round}
        seed = self._target_seed(task, images, round)
        drawn = draw(self._data, task, images, round)
        config = drawn.config(seed)
        for start, weights in {"fresh": None, **starts}.items():
            if not self.rows.has(**key, start=start):
                _, scores = train_on(drawn, genotype, config, seed, weights)
                self._add({**key, "start": start, **scores})

    def _seconds(self, **key: Any) -> float:
        (row,) = [row for row in self.rows.all if row.items() >= key.items()]
        seconds: float = row["seconds"]
        return seconds

    def _add(self, row: dict[str, Any]) -> None:
        self.rows.add(row)
        print(json.dumps(row), flush=True)


def summarise(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """By target, images and start: means over rounds, and the differences to fresh weights, round by round."""
    summary: dict[str, Any] = {}
    for task, images in dict.fromkeys((row["task"], row["images"]) for row in rows if row["start"] != "source"):
        own = [row for row in rows if (row["task"], row["images"]) == (task, images)]
        by_start = {start: {row["round"]: row for row in own if row["start"] == start} for start in _starts(own)}
        for start, found in by_start.items():
            entry: dict[str, Any] = {"rounds": len(found)}
            for what in ("accuracy", "loss", "seconds", "epochs"):
                entry[what] = statistics.fmean(row[what] for row in found.values())
            for other in ("fresh", "fresh, longer"):
                if start != other and len(found) > 1:
                    entry[f"beside {other}"] = _differences(found, by_start[other])
            summary[f"{task}/{images}/{start}"] = entry
    return summary


def _starts(rows: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(row["start"] for row in rows))


def _differences(found: Mapping[int, dict[str, Any]], other: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
    """Paired by round: mean and 90 % Student t interval."""
    summary = {}
    for what in ("accuracy", "loss"):
        differences = [row[what] - other[round][what] for round, row in found.items() if round in other]
        summary[what] = {"mean": statistics.fmean(differences), "interval": interval(differences)}
    return summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder with mnist/ and cifar10/ as Parquet")
    parser.add_argument("--work", type=Path, required=True, help="where finished trainings are kept")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="fewer: to try it out; nothing is saved")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # CPU seconds then say what a training took, whatever else the machine does
    bench = Bench(arguments.data, arguments.work)
    for round in range(arguments.rounds):
        bench.run_round(round)
    for round in range(arguments.rounds):
        bench.run_longer(round)
    summary = summarise(bench.rows.all)
    print(json.dumps(summary, indent=2))
    if arguments.rounds == ROUNDS:
        sizes = {"source": SOURCE_IMAGES, "validation": VALIDATION_IMAGES, "evaluation": EVALUATION_IMAGES}
        result = {"image_size": IMAGE_SIZE, "images": sizes, "summary": summary, "rows": bench.rows.all}
        print(save("warm_start", result))


if __name__ == "__main__":
    main()
