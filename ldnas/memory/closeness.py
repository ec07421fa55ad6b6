"""Decides from the data whether the scores of closer tasks should count more. Needs no torch."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ldnas.memory.pooled import pool
from ldnas.memory.scores import CellScore

FEWEST_TASKS = 3
"""The fewest tasks from which an error of the difference can be estimated."""

ALIKE = "all tasks count alike"
UNKNOWN = f"{ALIKE}: too few tasks to say whether closeness predicts cell scores"
NO_HELP = f"{ALIKE}: closeness did not predict cell scores better"
HELPS = "closer tasks count more: closeness predicted cell scores better"


@dataclass(frozen=True)
class Closeness:
    """Whether closer tasks count more, and the same as a sentence for readers of an answer."""

    helps: bool
    sentence: str


def judge_closeness(scores: Sequence[CellScore], weights: Mapping[str, Mapping[str, float]]) -> Closeness:
    """Predict each task's scores from those of the other tasks, with and without weights, and compare the errors.

    An error is the mean square of the difference between a task's scores and the predicted effects, both relative to
    their means in each group. Weights help if they lower it by more than the standard error of the mean difference,
    paired over tasks.

    Args:
        scores: of all known tasks.
        weights: by task, the weights of the other tasks as `pool` takes them, above 0. Other tasks are not judged.
    """
    differences = []
    for task, own in weights.items():
        held_out = [score for score in scores if score.task == task]
        others = [score for score in scores if score.task != task]
        alike = _error(held_out, others, None)
        weighed = _error(held_out, others, own)
        if alike is not None and weighed is not None:
            differences.append(alike - weighed)
    if len(differences) < FEWEST_TASKS:
        return Closeness(False, UNKNOWN)
    gain = statistics.fmean(differences)
    helps = gain > statistics.stdev(differences) / math.sqrt(len(differences))
    return Closeness(helps, HELPS if helps else NO_HELP)


def closeness_weights(distances: Mapping[str, float]) -> dict[str, float]:
    """The weight of each task from its distance: exp(-(d - d_min) / (mean d - d_min)), in (0, 1], 1 for the closest.

    It depends neither on the unit of the distances nor on their zero, which some measures do not have.
    """
    least = min(distances.values(), default=0.0)
    spread = statistics.fmean(distances.values()) - least if distances else 0.0
    return {task: math.exp((least - own) / spread) if spread else 1.0 for task, own in distances.items()}


def _error(
    held_out: Sequence[CellScore], others: Sequence[CellScore], weights: Mapping[str, float] | None
) -> float | None:
    """The mean squared error of the predictions; None if no two cells of a group are known to other tasks."""
    pooled = pool(others, weights)
    groups: dict[tuple[str, str, int], list[float]] = {}
    for score in held_out:
        if score.genotype in pooled.effects:
            miss = score.accuracy - pooled.effects[score.genotype].mean
            groups.setdefault(score.group, []).append(miss)
    compared = [misses for misses in groups.values() if len(misses) > 1]
    if not compared:
        return None
    squares = [(miss - statistics.fmean(misses)) ** 2 for misses in compared for miss in misses]
    return statistics.fmean(squares)
