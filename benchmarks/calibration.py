"""Do 90 % intervals hold the truth in 9 of 10 cases, and is a `probability_closest` of p right in p of them?

    python -m benchmarks.calibration --data ../data --work work

Twenty networks are trained for each of seven tasks (MNIST and CIFAR-10, 16×16) and observed on every task's images,
two disjoint sets of them. Then many small studies are drawn, each as the service would do it: one target, one set of
images, R = 3 of its networks, and R networks of each of two to six sources. The truth is the mean over all pairs of
networks and both sets. A study's own networks are part of that mean, which flatters coverage a little; against the
mean over the networks that were not drawn, whose own error adds to the study's, coverage is a little too low. Both are
given: the coverage lies between them. The same is done with simulated columns, where the truth is known exactly.
Results are stored in the work folder, and a run that was stopped resumes from them.
"""

import argparse
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib import pyplot
from scipy import stats

from benchmarks.environment import save
from benchmarks.pools import PoolTask, load_images, shuffled, task_images, trained_network
from ldnas.data.task_data import ImageSet
from ldnas.distance.measures import Distance, Measure, measure
from ldnas.distance.observation import GROUPS, Observation, observe
from ldnas.distance.uncertainty import estimate_column
from ldnas.recipe import Recipe
from ldnas.seeding import derive_seed
from ldnas.training.train import TrainConfig

DIGITS = tuple((label,) for label in range(10))
TASKS = (
    PoolTask("mnist-zero", "mnist", ((0,),)),
    PoolTask("mnist-six", "mnist", ((6,),)),
    PoolTask("mnist-odd", "mnist", ((1, 3, 5, 7, 9),)),
    PoolTask("mnist-ten", "mnist", DIGITS),
    PoolTask("cifar-138", "cifar10", ((1, 3, 8),)),
    PoolTask("cifar-389", "cifar10", ((3, 8, 9),)),
    PoolTask("cifar-ten", "cifar10", DIGITS),
)
IMAGE_SIZE = 16
TRAINED_ON = 3000
SET_SIZE = 750
SETS = 2
REPETITIONS = 3
RECIPE = Recipe(samples=512, probe_images=SET_SIZE)
MEASURES = ("log_det_layerwise", "log_det")
BINS = (0.0, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 1.0)

Distances = Mapping[tuple[str, str, int], Sequence[Sequence[Distance]]]
"""(source, target, set of images) → [source network][target network]."""


@dataclass(frozen=True)
class Study:
    """One small study: the true mean distances (also by networks that were not drawn), and the estimates."""

    truth: Mapping[str, float]
    held_out: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    probabilities: Mapping[str, float]

    @classmethod
    def of(
        cls,
        drawn: Mapping[str, Sequence[Distance]],
        measure: Measure,
        *,
        truth: Mapping[str, float],
        held_out: Mapping[str, float] | None = None,
    ) -> "Study":
        said = estimate_column(drawn, measure)
        return cls(
            truth,
            held_out or truth,
            {key: certainty.interval for key, certainty in said.items() if certainty.interval is not None},
            {key: certainty.probability_closest or 0.0 for key, certainty in said.items()},
        )


def observe_pool(data: Path, work: Path, networks: int) -> dict[tuple[str, int, str, int], Observation]:
    """(source, network, target, set) → observation, computed where it is not in the work folder yet."""
    file = work / "observations.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    seen = {
        (row["source"], row["network"], row["target"], row["set"]): Observation.from_json(row["seen"]) for row in rows
    }
    wanted = {
        (source.name, network, target.name, images)
        for source in TASKS
        for network in range(networks)
        for target in TASKS
        for images in range(SETS)
    }
    if wanted <= seen.keys():
        return seen
    by_task = training_images(data)
    work.mkdir(parents=True, exist_ok=True)
    with file.open("a") as kept:
        for network in range(networks):
            for source in TASKS:
                missing = sorted(key for key in wanted - seen.keys() if key[:2] == (source.name, network))
                for key, observation in _observe_network(work, by_task, source, network, missing):
                    row = dict(zip(("source", "network", "target", "set"), key, strict=True))
                    kept.write(json.dumps({**row, "seen": observation.to_json()}) + "\n")
                    seen[key] = observation
            kept.flush()
            print(f"network {network + 1} of {networks} of every task", flush=True)
    return seen


def training_images(data: Path) -> dict[str, ImageSet]:
    images = {name: load_images(data, name, image_size=IMAGE_SIZE) for name in ("mnist", "cifar10")}
    order = {name: shuffled(len(pixels), seed=1)[:TRAINED_ON] for name, pixels in images.items()}
    return {task.name: task_images(images[task.dataset], task, order[task.dataset]) for task in TASKS}


def _observe_network(
    work: Path,
    by_task: Mapping[str, ImageSet],
    source: PoolTask,
    number: int,
    missing: Sequence[tuple[str, int, str, int]],
) -> Any:
    if not missing:
        return
    network = trained_network(
        work / "networks",
        f"{source.name}-{number}",
        architecture=RECIPE.network,
        classes=source.classes,
        train=by_task[source.name],
        config=TrainConfig(epochs=3),
        seed=derive_seed(0, source.name, number),
    )
    for key in missing:
        _, _, target, images = key
        chosen = by_task[target].subset(torch.arange(images * SET_SIZE, (images + 1) * SET_SIZE))
        yield key, observe(network, chosen, classes=classes_of(target), recipe=RECIPE)


def classes_of(name: str) -> int:
    return next(task.classes for task in TASKS if task.name == name)


def measured(name: str, seen: Mapping[tuple[str, int, str, int], Observation], networks: int) -> Distances:
    """Every distance between two different tasks of the pool."""
    distance = measure(name).distance
    return {
        (source.name, target.name, images): [
            [
                distance(seen[source.name, ours, target.name, images], seen[target.name, theirs, target.name, images])
                for theirs in range(networks)
            ]
            for ours in range(networks)
        ]
        for source in TASKS
        for target in TASKS
        if source != target
        for images in range(SETS)
    }


def draw_studies(name: str, distances: Distances, networks: int, count: int) -> list[Study]:
    """Studies out of the pool; see the head of this file for their truth."""
    values = {key: np.array([[one.value for one in row] for row in table]) for key, table in distances.items()}
    generator = np.random.default_rng(derive_seed(0, "calibration", name))
    names = [task.name for task in TASKS]
    studies = []
    for _ in range(count):
        target = str(generator.choice(names))
        others = [other for other in names if other != target]
        sources = [str(s) for s in generator.choice(others, generator.integers(2, len(others) + 1), replace=False)]
        images = int(generator.integers(SETS))
        theirs = generator.choice(networks, REPETITIONS, replace=False)
        drawn, truth, held_out = {}, {}, {}
        for source in sources:
            ours = generator.choice(networks, REPETITIONS, replace=False)
            table = distances[source, target, images]
            drawn[source] = [table[o][t] for o, t in zip(ours, theirs, strict=True)]
            both_sets = np.mean([values[source, target, number] for number in range(SETS)], axis=0)
            truth[source] = float(both_sets.mean())
            held_out[source] = float(np.delete(np.delete(both_sets, ours, axis=0), theirs, axis=1).mean())
        studies.append(Study.of(drawn, measure(name), truth=truth, held_out=held_out))
    return studies


def simulate_studies(name: str, count: int) -> list[Study]:
    """Columns of two to six sources whose means, noise and repetitions are drawn; their truth is exact.

    A folded measure's means lie on both sides of 0, and its images sway every source by an effect of each group.
    """
    generator = np.random.default_rng(derive_seed(0, "calibration", "simulated", name))
    by = measure(name)
    studies = []
    for _ in range(count):
        sources = int(generator.integers(2, 7))
        means = generator.uniform(-1.6 if by.folded else 0.4, 1.6, sources)
        shared, own = generator.uniform(0.03, 0.2), generator.uniform(0.05, 0.25)
        noise = generator.normal(0, shared, REPETITIONS) + generator.normal(0, own, (sources, REPETITIONS))
        sway = generator.normal(0, 0.2, GROUPS) + generator.normal(0, 0.2, (sources, GROUPS))
        drawn, truth = {}, {}
        for index in range(sources):
            repetitions = REPETITIONS if index == 0 else int(generator.integers(2, REPETITIONS + 1))
            drawn[str(index)] = [
                _simulated(means[index], noise[index, repetition], sway[index], by) for repetition in range(repetitions)
            ]
            truth[str(index)] = _expected(means[index], math.hypot(shared, own), by)
        studies.append(Study.of(drawn, by, truth=truth))
    return studies


def _simulated(mean: float, noise: float, sway: np.ndarray, by: Measure) -> Distance:
    """One distance: training noise, and the mean of what each group of images adds."""
    relative = by.relative_noise
    without = (sway.sum() - sway) / (len(sway) - 1)
    values = (
        mean * np.exp(noise + np.array([sway.mean(), *without]))
        if relative
        else (mean + noise + np.array([sway.mean(), *without]))
    )
    first, *rest = values.tolist()
    return Distance(abs(first), first, (), tuple(rest))


def _expected(mean: float, deviation: float, by: Measure) -> float:
    """E d over training noise, images aside."""
    if by.relative_noise:
        return float(mean * math.exp(deviation**2 / 2))
    return float(stats.foldnorm.mean(abs(mean) / deviation, scale=deviation))


def summary(studies: Sequence[Study]) -> dict[str, Any]:
    """Coverage of the intervals, and for each bin of probabilities how often they were right."""
    held = [low <= study.truth[key] <= high for study in studies for key, (low, high) in study.intervals.items()]
    said, right = [], []
    for study in studies:
        closest = min(study.truth, key=lambda key: study.truth[key])
        for key, probability in study.probabilities.items():
            said.append(probability)
            right.append(key == closest)
    best = [max(study.probabilities.values()) for study in studies]
    best_right = [
        max(study.probabilities, key=lambda key: study.probabilities[key])
        == min(study.truth, key=lambda key: study.truth[key])
        for study in studies
    ]
    return {
        "studies": len(studies),
        "intervals": len(held),
        "coverage": statistics.fmean(held),
        "coverage_of_networks_not_drawn": statistics.fmean(
            low <= study.held_out[key] <= high for study in studies for key, (low, high) in study.intervals.items()
        ),
        "mean_probability_of_the_best": statistics.fmean(best),
        "the_best_was_right": statistics.fmean(best_right),
        "reliability": _bins(np.array(said), np.array(right)),
    }


def _bins(said: np.ndarray, right: np.ndarray) -> list[dict[str, float]]:
    rows = []
    for low, high in pairwise(BINS):
        inside = (said >= low) & ((said < high) | (high == 1.0))
        if inside.any():
            rows.append(
                {
                    "from": low,
                    "to": high,
                    "cases": int(inside.sum()),
                    "said": float(said[inside].mean()),
                    "right": float(right[inside].mean()),
                }
            )
    return rows


def plot(results: Mapping[str, Mapping[str, Any]], file: Path) -> None:
    """Plots the stated probability against the share of cases in which it was right, one panel for each measure."""
    figure, axes = pyplot.subplots(1, len(results), figsize=(4 * len(results), 4), sharey=True, layout="constrained")
    for axis, (name, result) in zip(axes, results.items(), strict=True):
        rows = result["reliability"]
        axis.plot([0, 1], [0, 1], color="0.6", linewidth=1)
        axis.plot([row["said"] for row in rows], [row["right"] for row in rows], marker="o")
        axis.set(title=f"{name}\n90 % intervals hold {result['coverage']:.1%}", xlabel="probability_closest said")
    axes[0].set_ylabel("was the closest")
    figure.savefig(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder with mnist/ and cifar10/ as Parquet")
    parser.add_argument("--work", type=Path, required=True, help="where networks and observations are kept")
    parser.add_argument("--networks", type=int, default=20, help="of each task; 20 for the record")
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--dry", action="store_true", help="print, save nothing")
    arguments = parser.parse_args()
    seen = observe_pool(arguments.data, arguments.work, arguments.networks)
    results: dict[str, dict[str, Any]] = {}
    for name in MEASURES:
        studies = draw_studies(name, measured(name, seen, arguments.networks), arguments.networks, arguments.studies)
        results[name] = summary(studies)
        results[f"simulated {name}"] = summary(simulate_studies(name, arguments.studies))
    print(json.dumps(results, indent=2))
    if not arguments.dry:
        about = {"recipe": RECIPE.to_json(), "repetitions": REPETITIONS, "networks": arguments.networks}
        folder = save("calibration", {**about, "results": results})
        plot(results, folder / "reliability.svg")
        print(folder)


if __name__ == "__main__":
    main()
