"""Does successive halving find the source that measuring everything would have found, and for how much of the work?

    python -m benchmarks.ranking --data ../data --work work

512 baselines with R networks each: some dozens of networks trained on as many label mappings of MNIST and CIFAR-10, the
others fine-tuned from them for a few steps on other mappings. For each target the exhaustive answer is measured first
(every network, all M images), then `plan_rungs` and `survivors` rank the same networks as the service does. Images are
16×16, the networks narrow and M a quarter of the service's, so that it ends within an hour on two cores. Results are
stored in the work folder, and a run that was stopped resumes from them.
"""

import argparse
import json
import random
import statistics
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.environment import save
from benchmarks.pools import PoolTask, load_images
from benchmarks.ranking_pool import TRAINED_ON, Pool, drawn_tasks
from ldnas.distance.halving import Rung, plan_rungs, survivors, work
from ldnas.distance.measures import Distance, measure
from ldnas.distance.observation import Observation, observe
from ldnas.distance.ranking import Spread
from ldnas.distance.uncertainty import estimate_column
from ldnas.networks.classifier import Classifier
from ldnas.recipe import Recipe
from ldnas.seeding import derive_seed

MEASURE = "log_det_layerwise"
IMAGE_SIZE = 16
REPETITIONS = 2
RECIPE = Recipe(network="narrow_cnn", samples=256, probe_images=256)


@dataclass(frozen=True)
class Plan:
    """How large the experiment is."""

    baselines: int
    trained: int
    targets: int
    target_networks: int
    cases_per_target: int


FULL = Plan(baselines=512, trained=32, targets=6, target_networks=6, cases_per_target=4)
QUICK = Plan(baselines=120, trained=4, targets=2, target_networks=4, cases_per_target=2)


class Column:
    """Observations on one target's images, kept in a file; counts the images that went through Fisher passes."""

    def __init__(self, file: Path, pool: Pool, target: PoolTask) -> None:
        self._file = file
        self._images = pool.images_of(target)
        self._classes = target.classes
        rows = file.read_text().splitlines() if file.exists() else []
        self._known = {(row["network"], row["recipe"]): row["seen"] for row in map(json.loads, rows)}

    def observe(self, name: str, network: Any, recipe: Recipe) -> Observation:
        """`network` is called only where the observation is not kept yet."""
        key = (name, recipe.digest)
        if key not in self._known:
            seen = observe(network(), self._images, classes=self._classes, recipe=recipe).to_json()
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a") as rows:
                rows.write(json.dumps({"network": name, "recipe": recipe.digest, "seen": seen}) + "\n")
            self._known[key] = seen
        return Observation.from_json(self._known[key])


@dataclass(frozen=True)
class Case:
    """One target with one choice of its networks."""

    pool: Pool
    column: Column
    baselines: Sequence[PoolTask]
    target: PoolTask
    target_repetitions: tuple[int, ...]

    def distances(self, sources: Iterable[PoolTask], recipe: Recipe, repetitions: int) -> dict[str, list[Distance]]:
        own = [
            self._seen(self.target, repetition, recipe, target=True)
            for repetition in self.target_repetitions[:repetitions]
        ]
        return {
            source.name: [
                measure(MEASURE).distance(self._seen(source, repetition, recipe), target)
                for repetition, target in enumerate(own)
            ]
            for source in sources
        }

    def logme(self, sources: Iterable[PoolTask], recipe: Recipe) -> dict[str, float]:
        return {source.name: self._seen(source, 0, recipe).logme for source in sources}

    def _seen(self, task: PoolTask, repetition: int, recipe: Recipe, *, target: bool = False) -> Observation:
        make = self.pool.trained if target or task.name.startswith("trained") else self.pool.fine_tuned
        return self.column.observe(f"{task.name}-{repetition}", lambda: make(task, repetition), recipe)


@dataclass(frozen=True)
class Halved:
    """Mean distances of those measured in full, how many were left after each round, and what it took.

    `images` counts those that went through Fisher passes, `observations` the networks that were observed, by M.
    """

    means: Mapping[str, float]
    left: Sequence[int]
    images: float
    observations: Mapping[int, int]


def halve(case: Case, rungs: Sequence[Rung], *, first_by_logme: bool) -> Halved:
    """Ranks the baselines as the service does, or with LogME alone in the first round."""
    left, sizes, images = {task.name: task for task in case.baselines}, [], 0.0
    observations = Counter({RECIPE.samples: 0})
    for position, rung in enumerate(rungs):
        observations[rung.recipe.samples] += len(left) * rung.repetitions
        if first_by_logme and position == 0:
            # No gradients: a third of the work of a Fisher pass over as many images.
            images += len(left) * rung.recipe.probe_images / 3
            scores = case.logme(left.values(), rung.recipe)
            kept: Sequence[str] = sorted(scores, key=lambda name: -scores[name])[: rung.keep]
        else:
            images += len(left) * rung.repetitions * rung.recipe.samples
            distances = case.distances(left.values(), rung.recipe, rung.repetitions)
            kept = survivors(distances, measure(MEASURE), keep=rung.keep)
        left = {name: left[name] for name in kept}
        sizes.append(len(left))
    images += len(left) * REPETITIONS * RECIPE.samples
    observations[RECIPE.samples] += len(left) * REPETITIONS
    final = case.distances(left.values(), RECIPE, REPETITIONS)
    return Halved({name: Spread.of(found).mean for name, found in final.items()}, sizes, images, observations)


def judge(case: Case, rungs: Sequence[Rung]) -> dict[str, Any]:
    """The exhaustive answer, and what halving made of it."""
    exhaustive = case.distances(case.baselines, RECIPE, REPETITIONS)
    means = {name: Spread.of(distances).mean for name, distances in exhaustive.items()}
    best = min(means, key=lambda name: means[name])
    error = standard_error(exhaustive, best)
    row: dict[str, Any] = {
        "target": case.target.name,
        "target_networks": list(case.target_repetitions),
        "exhaustive": {"closest": best, "distance": means[best], "standard_error": error},
    }
    everything = work((), len(case.baselines), REPETITIONS, RECIPE.samples)
    for name, first_by_logme in (("halving", False), ("logme_first", True)):
        halved = halve(case, rungs, first_by_logme=first_by_logme)
        chosen = min(halved.means, key=lambda key: halved.means[key])
        row[name] = {
            "closest": chosen,
            "same": chosen == best,
            "within_one_standard_error": means[chosen] <= means[best] + error,
            "excess_in_standard_errors": (means[chosen] - means[best]) / error,
            "left_after_each_round": halved.left,
            "share_of_images": halved.images / everything,
            "observations": halved.observations,
        }
    return row


def standard_error(exhaustive: Mapping[str, Sequence[Distance]], best: str) -> float:
    """Of the best source's mean distance: training noise, relative and pooled over all sources, and images."""
    spreads = [Spread.of(distances) for distances in exhaustive.values()]
    relative = statistics.fmean((spread.std or 0.0) ** 2 / spread.mean**2 for spread in spreads)
    mean = Spread.of(exhaustive[best]).mean
    sampling = estimate_column({best: exhaustive[best]}, measure(MEASURE))[best].standard_error or 0.0
    return float((relative * mean**2 / REPETITIONS + sampling**2) ** 0.5)


def seconds_by_samples(pool: Pool, target: PoolTask, network: Classifier, rungs: Sequence[Rung]) -> dict[int, float]:
    """Seconds of one observation with each M: images are not all that it costs."""
    recipes = [RECIPE, *(rung.recipe for rung in rungs)]
    seconds: dict[int, list[float]] = {recipe.samples: [] for recipe in recipes}
    for _ in range(9):
        for recipe in recipes:
            begun = time.perf_counter()
            observe(network, pool.images_of(target), classes=target.classes, recipe=recipe)
            seconds[recipe.samples].append(time.perf_counter() - begun)
    return {samples: statistics.median(times) for samples, times in seconds.items()}


def share_of_seconds(row: Mapping[str, Any], seconds: Mapping[int, float], sources: int) -> float:
    """What halving took of the exhaustive seconds."""
    taken = sum(count * seconds[samples] for samples, count in row["observations"].items())
    return taken / (sources * REPETITIONS * seconds[RECIPE.samples])


def stacking(pool: Pool, tasks: Sequence[PoolTask]) -> dict[str, float]:
    """Features of several networks of one architecture: run one after the other against stacked by `torch.func`."""
    networks = [pool.trained(task, 0) for task in tasks]
    inputs = pool.images_of(tasks[0]).images[:128].float() / 127.5 - 1
    parameters, buffers = torch.func.stack_module_state([network.backbone for network in networks])
    backbone = networks[0].backbone

    def one(values: Any, state: Any) -> Any:
        return torch.func.functional_call(backbone, (values, state), (inputs,))

    def apart() -> None:
        for network in networks:
            network.backbone(inputs)

    def stacked() -> None:
        torch.vmap(one)(parameters, buffers)

    seconds: dict[str, list[float]] = {"apart": [], "stacked": []}
    with torch.no_grad():
        for _ in range(7):
            for name, way in (("apart", apart), ("stacked", stacked)):
                begun = time.perf_counter()
                way()
                seconds[name].append(time.perf_counter() - begun)
    medians = {name: statistics.median(values[1:]) for name, values in seconds.items()}
    return {**medians, "stacked_over_apart": medians["stacked"] / medians["apart"], "networks": len(networks)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder with mnist/ and cifar10/ as Parquet")
    parser.add_argument("--work", type=Path, required=True, help="where networks and observations are kept")
    parser.add_argument("--quick", action="store_true", help="a small registry, to try it out; nothing is saved")
    arguments = parser.parse_args()
    plan = QUICK if arguments.quick else FULL
    images = {name: load_images(arguments.data, name, image_size=IMAGE_SIZE) for name in ("mnist", "cifar10")}
    trained = drawn_tasks(plan.trained, purpose="trained")
    baselines = [*trained, *drawn_tasks(plan.baselines - plan.trained, purpose="tuned")]
    targets = drawn_tasks(plan.targets, purpose="target")
    pool = Pool(arguments.work / "networks", images, trained)
    rungs = plan_rungs(len(baselines), REPETITIONS, RECIPE, images=TRAINED_ON)
    rows = []
    for target in targets:
        column = Column(arguments.work / f"{target.name}.jsonl", pool, target)
        generator = random.Random(derive_seed(0, target.name))
        for _ in range(plan.cases_per_target):
            repetitions = tuple(generator.sample(range(plan.target_networks), REPETITIONS))
            rows.append(judge(Case(pool, column, baselines, target, repetitions), rungs))
            print(json.dumps(rows[-1]), flush=True)
    seconds = seconds_by_samples(pool, targets[0], pool.trained(trained[0], 0), rungs)
    summary = {
        name: {
            "cases": len(rows),
            "same": statistics.fmean(row[name]["same"] for row in rows),
            "within_one_standard_error": statistics.fmean(row[name]["within_one_standard_error"] for row in rows),
            "largest_share_of_images": max(row[name]["share_of_images"] for row in rows),
            "largest_share_of_seconds": max(share_of_seconds(row[name], seconds, len(baselines)) for row in rows),
        }
        for name in ("halving", "logme_first")
    }
    print(json.dumps(summary, indent=2))
    if not arguments.quick:
        result = {
            "measure": MEASURE,
            "recipe": RECIPE.to_json(),
            "repetitions": REPETITIONS,
            "baselines": len(baselines),
            "rungs": [{"samples": r.recipe.samples, "repetitions": r.repetitions, "keep": r.keep} for r in rungs],
            "summary": summary,
            "seconds_of_an_observation": seconds,
            "stacking": stacking(pool, trained[:16]),
            "cases": rows,
        }
        print(save("ranking", result))


if __name__ == "__main__":
    main()
