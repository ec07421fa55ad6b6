"""The known tasks: networks that distances are measured with, a cell, and a ResNet-18, each with its weights.

Scores of cells come from the starter memory, of each target those of the other tasks.
"""

import itertools
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from benchmarks.paper.data import PaperData
from benchmarks.paper.units import Row
from benchmarks.recommendation.tasks import TRAIN, PaperTarget, Target
from ldnas.distance.economy import OVERHEAD_IMAGES, recipe_within
from ldnas.distance.measures import measure
from ldnas.distance.observation import Observation, gather_batch_norm_statistics, observe
from ldnas.distance.ranking import Spread, rank
from ldnas.distance.uncertainty import estimate_column
from ldnas.memory.pooled import pool
from ldnas.memory.proposals import propose
from ldnas.memory.scores import CellScore
from ldnas.memory.starter import read_starter, source_of
from ldnas.networks.build import build_network
from ldnas.networks.classifier import Classifier
from ldnas.networks.design import CellDesign, PlainDesign
from ldnas.race.kinds import fresh_candidate
from ldnas.race.race import Race, RaceProblem
from ldnas.recipe import Recipe, default_recipe
from ldnas.seeding import derive_seed
from ldnas.space.complexity import multiply_adds
from ldnas.space.genotype import Genotype
from ldnas.space.skeleton import default_skeleton
from ldnas.training.final import final_config
from ldnas.training.train import fit
from worker.jobs.stages.fit import FIT_SHARE, TASK_NETWORK_CONFIG, affordable_networks
from worker.jobs.stages.space import DISTANCE_SHARE

ARCHITECTURE = "small_cnn"
REPETITIONS = 3
MEASURE = "log_det_layerwise"
PLAIN_WIDTH = 16
SOURCE_SIZE = 16
"""The side of the images that the cell and the ResNet-18 of a source train on, in pixels."""


@dataclass(frozen=True)
class Source:
    """A known task, as its row and its folder of weights describe it."""

    number: int
    genotype: Genotype
    classes: int
    folder: Path

    def networks(self, count: int) -> list[Classifier]:
        """The first `count` networks that represent the task, in eval mode."""
        networks = []
        for repetition in range(count):
            network = build_network(ARCHITECTURE, classes=self.classes, seed=0)
            network.load_state_dict(load_file(self.folder / f"network_{repetition}.safetensors"))
            networks.append(network.eval())
        return networks

    def weights(self, kind: str) -> dict[str, Tensor]:
        """The weights of the task's `cell` or `resnet18`."""
        return load_file(self.folder / f"{kind}.safetensors")


def sources_of(rows: Sequence[Row], work: Path, *, but: int | None) -> list[Source]:
    """The known tasks of these rows, without the one of that number."""
    numbered = [(row["unit"]["values"]["task"], row["outcome"]) for row in rows]
    return [
        Source(number, Genotype.from_json(outcome["genotype"]), outcome["classes"], _folder(work, number))
        for number, outcome in numbered
        if number != but
    ]


def best_cell(known: Collection[int], seed: int, *, excluded: Target) -> Genotype:
    """The best cell by the scores that the starter memory has of the known tasks, without those of the target."""
    memory = read_starter(exclude={excluded.name})
    return _best(
        [score for score in memory.scores if score.task in {source_of(f"Task {number}") for number in known}], seed
    )


def run_source(
    values: Mapping[str, Any], data: PaperData, device: torch.device, needed: Sequence[Row], *, work: Path
) -> Row:
    """One known task: its networks, and full trainings of its best cell and of ResNet-18.

    The cell is the best one by the task's own scores in the starter memory.
    """
    few, task = (
        PaperTarget(data, values["task"], values["seed"], image_size=SOURCE_SIZE, is_source=True, train=images)
        for images in (TRAIN, values["study_images"])
    )
    folder = _folder(work, values["task"])
    for repetition, network in enumerate(_networks(few, values["seed"], REPETITIONS)):
        _save(network, folder / f"network_{repetition}.safetensors")
    genotype = _best([score for score in read_starter().scores if score.task == source_of(task.name)], values["seed"])
    skeleton = default_skeleton(SOURCE_SIZE, task.classes)
    cell = _study(task, CellDesign(genotype, skeleton), values, folder / "cell.safetensors")
    plain = _study(task, PlainDesign(PLAIN_WIDTH, SOURCE_SIZE, task.classes), values, folder / "resnet18.safetensors")
    return {
        "genotype": genotype.to_json(),
        "classes": task.classes,
        "validation": {"cell": cell, "resnet18": plain},
    }


def _networks(task: Target, seed: int, count: int) -> Iterator[Classifier]:
    """So many networks that represent a task, trained as a job trains them."""
    for repetition in range(count):
        own = derive_seed(seed, "network", repetition)
        network = build_network(ARCHITECTURE, classes=task.classes, seed=own)
        fit(network, task.proxy, config=TASK_NETWORK_CONFIG, seed=own)
        yield network.eval()


def _affordable_networks(task: Target, seed: int, seconds: float) -> list[Classifier]:
    """As many networks of the target as a job trains within these seconds."""
    began = time.process_time()
    trained = _networks(task, seed, REPETITIONS)
    networks = [next(trained)]
    count = affordable_networks(REPETITIONS, seconds, time.process_time() - began)
    return [*networks, *itertools.islice(trained, count - 1)]


def closest(task: Target, sources: Sequence[Source], seed: int, seconds: float) -> Source | None:
    """The source that the verdict names as the closest, or in a tie as the most probable one; None without one.

    The observations take at most the share of the seconds that a job gives them, on fewer images where needed.
    """
    if not sources:
        return None
    by, images = measure(MEASURE), task.proxy
    networks = _affordable_networks(task, seed, FIT_SHARE * seconds)

    def seen(network: Classifier, recipe: Recipe) -> Observation:
        return observe(network, images, classes=task.classes, recipe=recipe)

    def seconds_of(fewest: Recipe) -> float:
        seen(networks[0], fewest)
        began = time.process_time()
        seen(networks[0], fewest)
        return time.process_time() - began

    def work_of(recipe: Recipe) -> int:
        return (len(sources) + 2) * len(networks) * (min(recipe.samples, len(images)) + OVERHEAD_IMAGES)

    recipe = recipe_within(
        default_recipe(ARCHITECTURE),
        images=len(images),
        work_of=work_of,
        seconds=DISTANCE_SHARE * seconds,
        seconds_of=seconds_of,
    )
    own = [seen(network, recipe) for network in networks]
    distances = {
        str(source.number): [
            by.distance(seen(network, recipe), mine)
            for network, mine in zip(source.networks(len(own)), own, strict=True)
        ]
        for source in sources
    }
    untrained = [by.distance(seen(_untrained(task, number), recipe), mine) for number, mine in enumerate(own)]
    ranking = rank(
        {key: Spread.of(values) for key, values in distances.items()},
        estimate_column(distances, by),
        untrained=Spread.of(untrained),
    )
    return next((source for source in sources if ranking.closest and str(source.number) == ranking.closest[0]), None)


def _untrained(task: Target, repetition: int) -> Classifier:
    network = build_network(ARCHITECTURE, classes=task.classes, seed=derive_seed(0, "untrained", repetition))
    gather_batch_norm_statistics(network, task.proxy)
    return network


def _best(scores: Sequence[CellScore], seed: int) -> Genotype:
    skeleton = default_skeleton(SOURCE_SIZE, 2)
    return propose(pool(scores), 1, seed, cost=lambda cell: multiply_adds(cell, skeleton))[0]


def _study(task: Target, design: CellDesign | PlainDesign, values: Mapping[str, Any], file: Path) -> float:
    """Train the network in full and save it; its validation accuracy."""
    candidate = fresh_candidate(file.stem, design, final_config(task.facts(values["seed"])))
    problem = RaceProblem(task.images, values["study_seconds"], seed=values["seed"], clock=time.process_time)
    winner = Race(problem, [candidate]).run().finishers[0]
    _save(winner.network, file)
    return winner.progress.score


def _save(network: nn.Module, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, file)


def _folder(work: Path, number: int) -> Path:
    return work / "weights" / str(number)
