"""The known tasks: networks that distances are measured with, a cell, and a ResNet-18, each with its weights."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from benchmarks.paper.data import PaperData
from benchmarks.paper.units import Row
from benchmarks.recommendation.tasks import PaperTarget, Target
from ldnas.distance.economy import OVERHEAD_IMAGES, recipe_within
from ldnas.distance.measures import measure
from ldnas.distance.observation import Observation, gather_batch_norm_statistics, observe
from ldnas.distance.ranking import Spread, rank
from ldnas.distance.uncertainty import estimate_column
from ldnas.memory.pooled import pool
from ldnas.memory.proposals import propose
from ldnas.memory.scores import CellScore
from ldnas.memory.survivors import with_survivors
from ldnas.networks.build import build_network
from ldnas.networks.classifier import Classifier
from ldnas.networks.design import CellDesign, PlainDesign
from ldnas.race.kinds import fresh_candidate
from ldnas.race.race import Race, RaceProblem
from ldnas.recipe import Recipe, default_recipe
from ldnas.search.base import ScoredGenotype, SearchBudget, SearchProblem, SearchRun
from ldnas.search.random import RandomSearch
from ldnas.seeding import derive_seed
from ldnas.space.complexity import multiply_adds
from ldnas.space.genotype import Genotype
from ldnas.space.skeleton import default_skeleton
from ldnas.space.space import FULL_SPACE
from ldnas.training.final import final_config
from ldnas.training.train import fit
from worker.jobs.stages.fit import TASK_NETWORK_CONFIG
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
    scores: tuple[CellScore, ...]
    classes: int
    folder: Path

    def networks(self) -> list[Classifier]:
        """The networks that represent the task, in eval mode."""
        networks = []
        for repetition in range(REPETITIONS):
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
        Source(
            number,
            Genotype.from_json(outcome["genotype"]),
            tuple(
                CellScore(str(number), Genotype.from_json(each["genotype"]), each["accuracy"], each["epochs"])
                for each in outcome["scores"]
            ),
            outcome["classes"],
            _folder(work, number),
        )
        for number, outcome in numbered
        if number != but
    ]


def best_cell(sources: Sequence[Source], seed: int) -> Genotype:
    """The best cell by the pooled scores of the known tasks.

    A job also counts the starter memory, which is left out here: it has scores on the target.
    """
    scores = with_survivors([score for source in sources for score in source.scores])
    skeleton = default_skeleton(SOURCE_SIZE, 2)
    return propose(pool(scores), 1, seed, cost=lambda cell: multiply_adds(cell, skeleton))[0]


def run_source(
    values: Mapping[str, Any], data: PaperData, device: torch.device, needed: Sequence[Row], *, work: Path
) -> Row:
    """One known task: its networks, the cell of a baseline's search, and full trainings of it and of ResNet-18."""
    task = PaperTarget(data, values["task"], values["seed"], image_size=SOURCE_SIZE, is_source=True)
    folder = _folder(work, values["task"])
    for repetition, network in enumerate(task_networks(task, values["seed"])):
        _save(network, folder / f"network_{repetition}.safetensors")
    searched = time.process_time()
    scored = _search(task, values["seed"])
    genotype = scored[0].genotype
    studied = time.process_time()
    skeleton = default_skeleton(SOURCE_SIZE, task.classes)
    cell = _study(task, CellDesign(genotype, skeleton), values, folder / "cell.safetensors")
    plain = _study(task, PlainDesign(PLAIN_WIDTH, SOURCE_SIZE, task.classes), values, folder / "resnet18.safetensors")
    return {
        "genotype": genotype.to_json(),
        "scores": [
            {"genotype": each.genotype.to_json(), "accuracy": each.validation_accuracy, "epochs": each.epochs}
            for each in scored
        ],
        "classes": task.classes,
        "search_seconds": studied - searched,
        "validation": {"cell": cell, "resnet18": plain},
    }


def task_networks(task: Target, seed: int) -> list[Classifier]:
    """The networks that represent a task, trained as a job trains them."""
    networks = []
    for repetition in range(REPETITIONS):
        own = derive_seed(seed, "network", repetition)
        network = build_network(ARCHITECTURE, classes=task.classes, seed=own)
        fit(network, task.proxy, config=TASK_NETWORK_CONFIG, seed=own)
        networks.append(network.eval())
    return networks


def closest(task: Target, sources: Sequence[Source], seed: int, seconds: float) -> Source | None:
    """The source that the verdict names as the closest, or in a tie as the most probable one; None without one.

    The observations take at most the share of the seconds that a job gives them, on fewer images where needed.
    """
    by, images, networks = measure(MEASURE), task.proxy, task_networks(task, seed)

    def seen(network: Classifier, recipe: Recipe) -> Observation:
        return observe(network, images, classes=task.classes, recipe=recipe)

    def seconds_of(fewest: Recipe) -> float:
        seen(networks[0], fewest)
        began = time.process_time()
        seen(networks[0], fewest)
        return time.process_time() - began

    def work_of(recipe: Recipe) -> int:
        return (len(sources) + 2) * REPETITIONS * (min(recipe.samples, len(images)) + OVERHEAD_IMAGES)

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
            by.distance(seen(network, recipe), mine) for network, mine in zip(source.networks(), own, strict=True)
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


def _search(task: Target, seed: int) -> Sequence[ScoredGenotype]:
    """The cells that a baseline's search scores, the best first."""
    images = task.images(task.image_size)
    problem = SearchProblem(
        images.train, images.validation, FULL_SPACE, default_skeleton(task.image_size, task.classes)
    )
    run = SearchRun(problem, SearchBudget(iterations=1), derive_seed(seed, "search"))
    return RandomSearch().search(run).scored


def _study(task: Target, design: CellDesign | PlainDesign, values: Mapping[str, Any], file: Path) -> float:
    """Train the network in full and save it; its validation accuracy."""
    candidate = fresh_candidate(file.stem, design, final_config(task.facts(values["seed"])))
    problem = RaceProblem(task.images, values["study_seconds"], seed=values["seed"])
    winner = Race(problem, [candidate]).run().finishers[0]
    _save(winner.network, file)
    return winner.progress.score


def _save(network: nn.Module, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, file)


def _folder(work: Path, number: int) -> Path:
    return work / "weights" / str(number)
