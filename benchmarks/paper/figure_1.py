"""Figure 1: a unit trains one network and looks with it at all eight targets; the rows make the 8×8 matrices."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from benchmarks.paper.agreement import COUNT, agreement, blocks, closest, column_spearman
from benchmarks.paper.data import PaperData
from benchmarks.paper.networks import fit_as_released, look_at, released_network, settle_batch_norm
from benchmarks.paper.tasks import TASKS, PaperTask
from benchmarks.paper.units import Row
from ldnas.data.task_data import ImageSet
from ldnas.distance.measures import measure
from ldnas.distance.observation import Observation, observe
from ldnas.networks.build import build_network
from ldnas.networks.classifier import Classifier
from ldnas.recipe import MODES, Recipe, recipe_of
from ldnas.seeding import derive_seed
from ldnas.training.evaluation import evaluate
from ldnas.training.train import TrainConfig, fit

RELEASED = "released_code"
DEEP = "released_code_deep"
"""The released program's way with a network as deep as the paper's, where the scale's own is not."""

FIGURES = (*MODES, DEEP)
MEASURE_OF = {
    "default": "log_det_layerwise",
    "paper": "log_det",
    RELEASED: "released_distance",
    DEEP: "released_distance",
}
"""The distance in each figure's matrix: a measure of the product, or `released_distance` of this module."""

Matrix = list[list[float]]


def run(values: Mapping[str, Any], data: PaperData, device: torch.device, needed: Sequence[Row]) -> Row:
    """Trains the network of one task and repetition, and observes every target with it by every recipe of the unit."""
    tasks = TASKS[values["reading"]]
    task = tasks[values["task"]]
    train = _images(task, data, "train", values["train_images"], values)
    validation = _images(task, data, "validation", values["validation_images"], values)
    network = trained(values, task, train, device)
    found = evaluate(network, validation)
    released = {}
    if values["reading"] == RELEASED:
        own_test = task.images_as_target(data.images(task.dataset, "test"), limit=None, seed=values["subset_seed"])
        settle_batch_norm(network, own_test)
        released = {"classes": task.classes, "padded": _padded(network, task, data, values)}
    return {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "train_images": len(train),
        "validation_images": len(validation),
        "validation_accuracy": found.accuracy,
        "validation_balanced_accuracy": found.balanced_accuracy,
        "is_approximation": found.balanced_accuracy >= 1 - values["epsilon"],
        "observations": {
            mode: [_observed(network, target, Recipe(**recipe), data, values) for target in tasks]
            for mode, recipe in values["recipes"].items()
        },
        **released,
    }


def trained(values: Mapping[str, Any], task: PaperTask, train: ImageSet, device: torch.device) -> Classifier:
    """The network of a unit's seed, fitted in the way of its reading.

    In the paper's reading it has ten outputs whatever the task, so that its own head knows every target's labels.
    """
    fitting = values["fitting"]
    if values["reading"] == RELEASED:  # the program seeds by the repetition alone
        seed = derive_seed(values["repetition"], "paper", "released")
        network = released_network(values["network"], dataset=task.dataset, classes=task.classes, seed=seed).to(device)
        order = derive_seed(seed, "order", task.classes)
        fit_as_released(network, train, dataset=task.dataset, seed=order, **fitting)
        return network
    seed = derive_seed(values["repetition"], "paper", "network", task.number)
    network = build_network(values["network"], classes=10, seed=seed).to(device)
    fit(network, train, config=TrainConfig(**fitting), seed=seed)
    return network


def _images(task: PaperTask, data: PaperData, split: str, limit: int | None, values: Mapping[str, Any]) -> ImageSet:
    return task.images(data.images(task.dataset, split), limit=limit, seed=values["subset_seed"])


def _padded(network: Classifier, task: PaperTask, data: PaperData, values: Mapping[str, Any]) -> dict[str, Any]:
    """By mode, what a network shows on its own task with zeros up to the outputs of each source that has more.

    The released program so widens whichever of two networks has the fewer outputs.
    """
    outputs = sorted({one.classes for one in TASKS[RELEASED] if one.classes > task.classes})
    return {
        mode: {str(n): _observed(network, task, Recipe(**recipe), data, values, classes=n) for n in outputs}
        for mode, recipe in values["recipes"].items()
    }


def _observed(
    network: Classifier,
    target: PaperTask,
    recipe: Recipe,
    data: PaperData,
    values: Mapping[str, Any],
    *,
    classes: int | None = None,
) -> dict[str, Any]:
    """An observation without its replicates: repetitions give the spread here."""
    # The images are the same whichever network looks at them: neither its task nor its repetition draws them.
    original, limit = data.images(target.dataset, recipe.split), max(recipe.samples, recipe.probe_images)
    images = target.images_as_target(original, limit=limit, seed=values["subset_seed"])
    if values["reading"] == RELEASED:
        look_at(network, target.dataset)
    seen = observe(network, images, classes=classes or target.classes, recipe=recipe).to_json()
    seen["log_det"]["sums"] = seen["log_det"]["sums"][:1]
    return seen


@dataclass(frozen=True)
class Looks:
    """The observations with the network of one task.

    Attributes:
        on: every target.
        outputs: its own, where they differ between tasks.
        padded: its own task with zeros up to so many outputs.
    """

    on: Sequence[Observation]
    outputs: int | None
    padded: Mapping[int, Observation]

    @classmethod
    def of(cls, outcome: Row, mode: str) -> "Looks":
        padded = outcome.get("padded", {}).get(mode, {})
        return cls(
            [Observation.from_json(value) for value in outcome["observations"][mode]],
            outcome.get("classes"),
            {int(outputs): Observation.from_json(value) for outputs, value in padded.items()},
        )

    def as_target(self, task: int, source: "Looks") -> Observation:
        """The observation on its own task, to be compared with a source."""
        if self.outputs is None or source.outputs is None or source.outputs <= self.outputs:
            return self.on[task]
        return self.padded[source.outputs]


def distances(rows: Sequence[Row], mode: str) -> list[Matrix]:
    """The 8×8 matrix [source][target] of each repetition of which all eight networks are there.

    Repetition r of the source is compared with repetition r of the target, both on the target's images.
    """
    seen: dict[int, dict[int, Looks]] = {}
    for row in rows:
        values, outcome = row["unit"]["values"], row["outcome"]
        if mode in outcome["observations"]:
            seen.setdefault(values["repetition"], {})[values["task"]] = Looks.of(outcome, mode)
    distance = distance_of(mode)
    return [
        [[distance(looks[b].on[t], looks[t].as_target(t, looks[b])) for t in range(COUNT)] for b in range(COUNT)]
        for _, looks in sorted(seen.items())
        if len(looks) == COUNT
    ]


def distance_of(mode: str) -> Callable[[Observation, Observation], float]:
    """The function that computes a mode's distance from two observations by its recipe."""
    return released_distance if mode in (RELEASED, DEEP) else by_measure(MEASURE_OF[mode])


def by_measure(name: str) -> Callable[[Observation, Observation], float]:
    """The value of one of the product's measures."""
    how = measure(name)
    return lambda source, target: how.distance(source, target).value


def released_distance(source: Observation, target: Observation) -> float:
    """Σ_p |Σ_j log((F_{b,t}^j + σ²)/(F_{t,t}^j + σ²))| / n over the tensors p of n parameters, F divided by its sum.

    As in the authors' program: tensors count by their size, and n is the target network's. Where the two heads differ
    in their number of classes, the smaller one's entries that are missing are zeros.

    Raises:
        ValueError: the two networks do not have the same tensors.
    """
    ours, theirs = source.log_det, target.log_det
    nothing = math.log(recipe_of(RELEASED, "small_cnn").damping)  # of an entry that is zero
    total = 0.0
    layers = zip(ours.layers, theirs.layers, ours.sums.scaled, theirs.sums.scaled, strict=True)
    for mine, other, mine_sum, other_sum in layers:
        if mine.name != other.name:
            raise ValueError(f"tensors differ: {mine.name} in the source and {other.name} in the target")
        total += abs(mine_sum - other_sum + (other.parameters - mine.parameters) * nothing)
    return total / theirs.parameters


def mean_distances(rows: Sequence[Row], mode: str) -> np.ndarray:
    """The 8×8 matrix of a mode's mean distances over the repetitions that are whole."""
    return np.array(distances(rows, mode)).mean(axis=0)


def summarise(rows: Sequence[Row], mode: str, published: Mapping[str, Any]) -> dict[str, Any] | None:
    """One mode's figure, compared with the published one; None before a repetition is whole."""
    repetitions = distances(rows, mode)
    if not repetitions:
        return None
    stacked = np.array(repetitions)
    mean = stacked.mean(axis=0)
    std = stacked.std(axis=0, ddof=1) if len(stacked) > 1 else np.zeros_like(mean)
    own = [row for row in rows if mode in row["outcome"]["observations"]]
    return {
        "measure": MEASURE_OF[mode],
        "recipe": own[0]["unit"]["values"]["recipes"][mode],
        "repetitions": len(stacked),
        "mean": mean.tolist(),
        "std": std.tolist(),
        "closest_source_of_each_target": closest(mean),
        **agreement(mean, std, published),
        "spearman_of_each_target": [column_spearman(mean, np.array(published["mean"]), t) for t in range(COUNT)],
        "blocks": blocks(mean),
        "epsilon": own[0]["unit"]["values"]["epsilon"],
        "networks_that_miss_epsilon": sum(not row["outcome"]["is_approximation"] for row in own),
        "networks": len(own),
        "validation_balanced_accuracy": _by_task(own),
    }


def _by_task(rows: Sequence[Row]) -> list[float]:
    """The mean over repetitions for each task."""
    found: list[list[float]] = [[] for _ in range(COUNT)]
    for row in rows:
        found[row["unit"]["values"]["task"]].append(row["outcome"]["validation_balanced_accuracy"])
    return [float(np.mean(values)) for values in found]
