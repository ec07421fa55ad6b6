"""How often does a column that stops once it is decided say what all images would have said, and what does it save?

    python -m benchmarks.stopping --data ../data --work work

The tasks, networks and studies are those of `benchmarks/calibration.py`, with the service's 1,024 images in place of
512, and with untrained networks, so that every verdict can occur. Each study is decided step by step as the worker does
it, and compared with its own full measurement. The truth of the intervals is the mean over all pairs of networks and
both sets of images in full. Seconds are those of the processor in one thread; `speed` compares the steps with a plain
observation in interleaved rounds at three image sizes. Results are kept in the work folder, and a run that was stopped
resumes from them.
"""

import argparse
import json
import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.calibration import REPETITIONS, TASKS, TRAINED_ON, classes_of, training_images
from benchmarks.environment import save
from benchmarks.pools import load_images, shuffled, task_images, trained_network
from ldnas.data.task_data import ImageSet
from ldnas.distance.economy import Step, plan_steps
from ldnas.distance.measures import Distance, Measure, measure
from ldnas.distance.observation import GROUPS, GrowingObservation, Observation, gather_batch_norm_statistics, observe
from ldnas.distance.ranking import Ranking, Spread, Verdict, rank
from ldnas.distance.stopping import TOLERANCE, probability_unchanged
from ldnas.distance.uncertainty import estimate_column
from ldnas.networks.build import build_network
from ldnas.networks.classifier import Classifier
from ldnas.recipe import Recipe
from ldnas.seeding import derive_seed
from ldnas.training.train import TrainConfig

SETS = 2
SET_SIZE = TRAINED_ON // SETS
RECIPE = Recipe()
STEPS = (*plan_steps(RECIPE, images=SET_SIZE), Step(RECIPE, GROUPS))
MEASURES = ("log_det_layerwise", "logme")
TOLERANCES = (0.0, 0.01, 0.02, 0.05, 0.1)
CLEAR = 0.98
SPEED_SIZES = (16, 32, 64)
SPEED_ROUNDS = 5
UNTRAINED = "untrained"

Key = tuple[str, int, str, int]
"""Source, number of its network, target, set of images."""


@dataclass(frozen=True)
class Seen:
    """One network on one set of images: its observation and processor seconds at each step."""

    steps: Sequence[Observation]
    seconds: Sequence[float]


@dataclass(frozen=True)
class Look:
    """A study as one step sees it."""

    ranking: Ranking
    unchanged: float | None
    covered: Sequence[bool]
    probability: float


@dataclass(frozen=True)
class Study:
    """A study at each step, with the processor seconds that all its networks have taken up to then."""

    looks: Sequence[Look]
    seconds: Sequence[float]

    def end(self, tolerance: float) -> int:
        """The step at which the column is decided; the last one at the latest."""
        return next(
            (place for place, look in enumerate(self.looks[:-1]) if (look.unchanged or 0.0) >= 1 - tolerance),
            len(self.looks) - 1,
        )

    def same(self, tolerance: float) -> bool:
        """Whether it ends with the verdict and the closest sources of the full measurement."""
        ended, full = self.looks[self.end(tolerance)].ranking, self.looks[-1].ranking
        return (ended.verdict, set(ended.closest)) == (full.verdict, set(full.closest))

    @property
    def clear(self) -> bool:
        """Whether the full measurement finds one source clearly the closest."""
        return self.looks[-1].ranking.verdict is Verdict.CLOSEST and self.looks[-1].probability >= CLEAR


def observe_pool(data: Path, work: Path, networks: int) -> dict[Key, Seen]:
    """Every network on every set of images, computed where it is not in the work folder yet."""
    work.mkdir(parents=True, exist_ok=True)
    file = work / "growing.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    seen = {
        (row["source"], row["network"], row["target"], row["set"]): Seen(
            [Observation.from_json(value) for value in row["steps"]], row["seconds"]
        )
        for row in rows
    }
    images = training_images(data)
    sources = [task.name for task in TASKS]
    wanted = [(source, number) for number in range(networks) for source in sources]
    wanted += [(UNTRAINED, number) for number in range(REPETITIONS)]
    with file.open("a") as kept:
        for source, number in wanted:
            for target in sources:
                for place in range(SETS):
                    key = (source, number, target, place)
                    if key not in seen:
                        chosen = images[target].subset(torch.arange(place * SET_SIZE, (place + 1) * SET_SIZE))
                        network = _network(work, images, source, number, target=target, chosen=chosen)
                        seen[key] = _grow(network, chosen, classes=classes_of(target))
                        row = dict(zip(("source", "network", "target", "set"), key, strict=True))
                        steps = [one.to_json() for one in seen[key].steps]
                        kept.write(json.dumps({**row, "steps": steps, "seconds": seen[key].seconds}) + "\n")
            kept.flush()
            print(source, number, flush=True)
    return seen


def _network(
    work: Path, images: Mapping[str, ImageSet], source: str, number: int, *, target: str, chosen: ImageSet
) -> Classifier:
    if source == UNTRAINED:
        network = build_network(RECIPE.network, classes=classes_of(target), seed=derive_seed(0, UNTRAINED, number))
        gather_batch_norm_statistics(network, chosen)
        return network
    return trained_network(
        work / "networks",
        f"{source}-{number}",
        architecture=RECIPE.network,
        classes=classes_of(source),
        train=images[source],
        config=TrainConfig(epochs=3),
        seed=derive_seed(0, source, number),
    )


def _grow(network: Classifier, images: ImageSet, *, classes: int) -> Seen:
    began = time.process_time()
    growing = GrowingObservation(network, images, classes=classes, recipe=RECIPE)
    steps, seconds = [], []
    for step in STEPS:
        steps.append(growing.observe(step.recipe.samples, groups=step.groups))
        seconds.append(time.process_time() - began)
    return Seen(steps, seconds)


class Pool:
    """Draws studies from all observations, by one measure."""

    def __init__(self, by: Measure, seen: Mapping[Key, Seen], networks: int) -> None:
        self._by = by
        self._seen = seen
        self._networks = networks
        self._distances: dict[tuple[str, int, str, int, int, int], Distance] = {}
        self._truths: dict[tuple[str, str], float] = {}

    def draw(self, generator: np.random.Generator) -> Study:
        """One target, one set of images, three networks of it, and three of each of two to six sources."""
        names = [task.name for task in TASKS]
        target = str(generator.choice(names))
        others = [name for name in names if name != target]
        sources = [str(s) for s in generator.choice(others, generator.integers(2, len(others) + 1), replace=False)]
        images = int(generator.integers(SETS))
        theirs = [int(n) for n in generator.choice(self._networks, REPETITIONS, replace=False)]
        ours = {
            source: [int(n) for n in generator.choice(self._networks, REPETITIONS, replace=False)] for source in sources
        }
        ours[UNTRAINED] = list(range(REPETITIONS))
        looks = [self._look(target, images, theirs, ours, step) for step in range(len(STEPS))]
        taking_part = [(source, n, target, images) for source, numbers in ours.items() for n in numbers]
        taking_part += [(target, n, target, images) for n in theirs]
        seconds = [sum(self._seen[key].seconds[step] for key in taking_part) for step in range(len(STEPS))]
        return Study(looks, seconds)

    def _look(
        self, target: str, images: int, theirs: Sequence[int], ours: Mapping[str, Sequence[int]], step: int
    ) -> Look:
        drawn = {
            source: [self._distance(source, o, target, t, images, step) for o, t in zip(numbers, theirs, strict=True)]
            for source, numbers in ours.items()
        }
        untrained = drawn.pop(UNTRAINED)
        certainties = estimate_column(drawn, self._by)
        spreads = {key: Spread.of(distances) for key, distances in drawn.items()}
        ranking = rank(spreads, certainties, untrained=Spread.of(untrained))
        intervals = {key: certainty.interval or (0.0, 0.0) for key, certainty in certainties.items()}
        share = STEPS[step].recipe.samples / RECIPE.samples
        return Look(
            ranking,
            probability_unchanged(drawn, self._by, untrained=untrained, share=share, ranking=ranking),
            [low <= self._truth(key, target) <= high for key, (low, high) in intervals.items()],
            max(certainty.probability_closest or 0.0 for certainty in certainties.values()),
        )

    def _distance(self, source: str, ours: int, target: str, theirs: int, images: int, step: int) -> Distance:
        key = (source, ours, target, theirs, images, step)
        if key not in self._distances:
            pair = (self._seen[source, ours, target, images], self._seen[target, theirs, target, images])
            self._distances[key] = self._by.distance(*(one.steps[step] for one in pair))
        return self._distances[key]

    def _truth(self, source: str, target: str) -> float:
        if (source, target) not in self._truths:
            self._truths[source, target] = statistics.fmean(
                self._distance(source, ours, target, theirs, images, len(STEPS) - 1).value
                for ours in range(self._networks)
                for theirs in range(self._networks)
                for images in range(SETS)
            )
        return self._truths[source, target]


def summary(studies: Sequence[Study]) -> dict[str, Any]:
    """The full verdicts, and what each tolerance changes and saves."""
    return {
        "studies": len(studies),
        "verdicts": Counter(str(study.looks[-1].ranking.verdict) for study in studies),
        "clear": statistics.fmean(study.clear for study in studies),
        "coverage_of_the_full_measurement": _coverage(study.looks[-1] for study in studies),
        "tolerances": {str(tolerance): _summary_at(studies, tolerance) for tolerance in TOLERANCES},
    }


def _summary_at(studies: Sequence[Study], tolerance: float) -> dict[str, Any]:
    ends = [study.end(tolerance) for study in studies]
    stopped = [study for study, end in zip(studies, ends, strict=True) if end < len(STEPS) - 1]
    clear = [study for study in studies if study.clear]
    seconds = [study.seconds[end] / study.seconds[-1] for study, end in zip(studies, ends, strict=True)]
    return {
        "same_verdict": statistics.fmean(study.same(tolerance) for study in studies),
        "same_verdict_of_the_stopped": statistics.fmean(study.same(tolerance) for study in stopped)
        if stopped
        else None,
        "ended_at": {str(step.recipe.samples): ends.count(place) / len(ends) for place, step in enumerate(STEPS)},
        "coverage": _coverage(study.looks[end] for study, end in zip(studies, ends, strict=True)),
        "images": statistics.fmean(STEPS[end].recipe.samples for end in ends) / RECIPE.samples,
        "seconds_of_all_steps": statistics.fmean(seconds),
        "clear_images": statistics.fmean(STEPS[study.end(tolerance)].recipe.samples for study in clear)
        / RECIPE.samples,
        "clear_seconds_of_all_steps": statistics.fmean(
            study.seconds[study.end(tolerance)] / study.seconds[-1] for study in clear
        ),
    }


def _coverage(looks: Any) -> float:
    return statistics.fmean(covered for look in looks for covered in look.covered)


def speed(data: Path) -> dict[str, Any]:
    """Processor seconds of each step relative to a plain observation: the median of interleaved rounds."""
    task = TASKS[-1]
    results = {}
    for size in SPEED_SIZES:
        images = load_images(data, task.dataset, image_size=size)
        chosen = task_images(images, task, shuffled(len(images), seed=1)[:SET_SIZE])
        network = build_network(RECIPE.network, classes=task.classes, seed=0)
        gather_batch_norm_statistics(network, chosen)
        rounds = []
        for _ in range(SPEED_ROUNDS):
            began = time.process_time()
            observe(network, chosen, classes=task.classes, recipe=RECIPE)
            plain = time.process_time() - began
            rounds.append([plain, *_grow(network, chosen, classes=task.classes).seconds])
        results[str(size)] = {
            "plain_seconds": statistics.median(row[0] for row in rounds),
            **{
                f"until_{step.recipe.samples}": statistics.median(row[place + 1] / row[0] for row in rounds)
                for place, step in enumerate(STEPS)
            },
        }
        print(size, results[str(size)], flush=True)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder with mnist/ and cifar10/ as Parquet")
    parser.add_argument("--work", type=Path, required=True, help="where networks and observations are kept")
    parser.add_argument("--networks", type=int, default=20, help="of each task; 20 for the record")
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--dry", action="store_true", help="print, save nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    seen = observe_pool(arguments.data, arguments.work, arguments.networks)
    results = {}
    for name in MEASURES:
        pool = Pool(measure(name), seen, arguments.networks)
        generator = np.random.default_rng(derive_seed(0, "stopping", name))
        results[name] = summary([pool.draw(generator) for _ in range(arguments.studies)])
        print(name, json.dumps(results[name], indent=2), flush=True)
    about = {"recipe": RECIPE.to_json(), "networks": arguments.networks, "tolerance": TOLERANCE, "clear": CLEAR}
    result = {
        **about,
        "steps": [{"samples": step.recipe.samples, "groups": step.groups} for step in STEPS],
        "results": results,
        "speed": speed(arguments.data),
    }
    if not arguments.dry:
        print(save("stopping", result))


if __name__ == "__main__":
    main()
