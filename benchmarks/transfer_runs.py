"""The units of `benchmarks/transfer.py`: what six networks show and carry over, and what six spaces are worth."""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from benchmarks.paper import figure_1, searching
from benchmarks.paper.data import PaperData
from benchmarks.paper.tasks import TASKS, PaperTask
from benchmarks.paper.units import Row
from ldnas.data.task_data import ImageSet
from ldnas.distance.observation import Observation, observe
from ldnas.networks.build import build_network
from ldnas.networks.classifier import Classifier
from ldnas.recipe import MEASURES as NAMES
from ldnas.recipe import Recipe
from ldnas.search.base import SearchRun
from ldnas.search.strategies import build_strategy
from ldnas.seeding import derive_seed
from ldnas.space.genotype import Genotype
from ldnas.space.network import build_cell_network
from ldnas.space.space import FULL_SPACE, SearchSpace, space_of
from ldnas.training.evaluation import evaluate
from ldnas.training.train import TrainConfig, fit

CONTROL = "control"
"""In place of a source: fresh weights, or the full space."""

MODES_OF = {"paper": "paper", figure_1.RELEASED: figure_1.RELEASED} | dict.fromkeys(NAMES, "default")
"""Each measure that looks at networks, with the mode by whose recipe it is observed.

`paper` and `released_code` are those whose Figures 1 are reproduced, here with the product's networks of the text's
tasks and on at most 2,000 training images of the target.
"""


def run_networks(values: Mapping[str, Any], data: PaperData, device: torch.device, needed: Sequence[Row]) -> Row:
    """A seed's networks, one a task: their distances by every measure, and what each is worth to begin from.

    `distances[measure][source][target]`; `accuracy[source][target]`: balanced, on test images, after the short training
    on few images of the target that begins at the source's weights; `accuracy["control"][target]`: at fresh ones.
    """
    tasks = [TASKS["paper"][number] for number in values["tasks"]]
    networks = {task: _source_network(values, task, data, device) for task in tasks}
    distances: dict[str, dict[str, dict[str, float]]] = {name: {str(b.number): {} for b in tasks} for name in MODES_OF}
    accuracy: dict[str, dict[str, float]] = {CONTROL: {}} | {str(task.number): {} for task in tasks}
    for target in tasks:
        for name, column in _column(values, networks, target, data).items():
            for source, distance in column.items():
                distances[name][str(source.number)][str(target.number)] = distance
        fresh = build_network(values["network"], classes=target.classes, seed=_few_seed(values, target)).to(device)
        accuracy[CONTROL][str(target.number)] = _after_few(values, copy.deepcopy(fresh), target, data)
        for source in tasks:
            if source != target:
                begun = started_from(networks[source], fresh=fresh)
                accuracy[str(source.number)][str(target.number)] = _after_few(values, begun, target, data)
    return {"distances": distances, "accuracy": accuracy}


def run_spaces(values: Mapping[str, Any], data: PaperData, device: torch.device, needed: Sequence[Row]) -> Row:
    """A search of equal seconds on one target in the space of each other task's genotype, and in the full space.

    `accuracy[source]`: balanced, on test images, of the trained winner; `accuracy["control"]`: of the full space's.
    """
    target = TASKS["paper"][values["task"]]
    genotypes = {row["unit"]["values"]["task"]: row["outcome"]["genotype"] for row in needed}
    spaces = {CONTROL: FULL_SPACE} | {
        str(source): space_of([Genotype.from_json(genotypes[source])]) for source in sorted(genotypes)
    }
    return {
        "accuracy": {
            source: _searched(values, target, space, data, device)
            for source, space in spaces.items()
            if source != str(target.number)
        },
        "spaces": {source: space.size for source, space in spaces.items()},
    }


def started_from(source: Classifier, *, fresh: Classifier) -> Classifier:
    """The source's backbone under the head of a fresh network; neither of the two is changed."""
    network = copy.deepcopy(source)
    network.head = copy.deepcopy(fresh.head)
    return network


def _source_network(values: Mapping[str, Any], task: PaperTask, data: PaperData, device: torch.device) -> Classifier:
    train = task.images(data.images(task.dataset, "train"), limit=values["train_images"], seed=values["subset_seed"])
    return figure_1.trained({**values, "reading": "paper", "repetition": values["seed"]}, task, train, device)


def _column(
    values: Mapping[str, Any], networks: Mapping[PaperTask, Classifier], target: PaperTask, data: PaperData
) -> dict[str, dict[PaperTask, float]]:
    """The distance of each network from the target's own, all on the same training images of the target."""
    images = target.images(
        data.images(target.dataset, "train"), limit=values["distance_images"], seed=values["subset_seed"]
    )
    seen = {mode: _seen(networks, images, target, Recipe(**recipe)) for mode, recipe in values["recipes"].items()}
    return {
        name: {source: distance_of(name)(seen[mode][source], seen[mode][target]) for source in networks}
        for name, mode in MODES_OF.items()
    }


def distance_of(name: str) -> Callable[[Observation, Observation], float]:
    """The distance of a network from the target's own by a measure of the product, or of the modes of Figure 1."""
    return figure_1.distance_of(name) if name in figure_1.FIGURES else figure_1.by_measure(name)


def _seen(
    networks: Mapping[PaperTask, Classifier], images: ImageSet, target: PaperTask, recipe: Recipe
) -> dict[PaperTask, Observation]:
    return {
        task: observe(network, images, classes=target.classes, recipe=recipe, keep_diagonal=True)
        for task, network in networks.items()
    }


def _few_seed(values: Mapping[str, Any], target: PaperTask) -> int:
    return derive_seed(values["seed"], "transfer", target.number)


def _after_few(values: Mapping[str, Any], network: nn.Module, target: PaperTask, data: PaperData) -> float:
    """Balanced accuracy on test images after as many steps on as few images, whatever the network began with."""
    seed = _few_seed(values, target)
    few = target.images(data.images(target.dataset, "train"), limit=values["few_images"], seed=seed)
    epochs = math.ceil(values["few_steps"] / math.ceil(len(few) / TrainConfig().batch_size))
    fit(network, few, config=TrainConfig(epochs=epochs), seed=seed)
    test = target.images(data.images(target.dataset, "test"), limit=values["test_images"], seed=values["subset_seed"])
    return evaluate(network, test).balanced_accuracy


def _searched(
    values: Mapping[str, Any], target: PaperTask, space: SearchSpace, data: PaperData, device: torch.device
) -> float:
    train, validation = (
        searching.images_of(target, data, split, values).to(device) for split in ("train", "validation")
    )
    problem = searching.problem_of(values, target, train, validation, space)
    budget, seed = searching.budget_of(values), searching.search_seed(values)
    outcome = build_strategy("fuse").search(SearchRun(problem, budget, seed, clock=searching.clock_of(device)))
    network = build_cell_network(outcome.best, problem.skeleton, seed=searching.final_seed(values)).to(device)
    searching.train_finally(network, target, train, validation, values)
    return evaluate(network, searching.images_of(target, data, "test", values)).balanced_accuracy
