"""Compares a matrix of distances with the published one: closest sources, their spread, ranks and blocks."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.paper.tasks import DATASETS

COUNT = len(DATASETS)
"""The tasks: a matrix is 8×8, [source][target]."""


def closest(mean: np.ndarray) -> list[int]:
    """The source of the smallest distance to each target, but itself."""
    others = mean + np.where(np.eye(COUNT, dtype=bool), math.inf, 0.0)
    return [int(source) for source in others.argmin(axis=0)]


def agreement(mean: np.ndarray, std: np.ndarray, published: Mapping[str, Any]) -> dict[str, Any]:
    """For each target whether our closest source is the published one, and whether it could be within the spread.

    It could where the published source's distance exceeds the smallest by no more than `spread`.
    """
    ours, theirs = closest(mean), published["closest_source_of_each_target"]
    agrees = [a == b for a, b in zip(ours, theirs, strict=True)]
    within = [
        bool(mean[b, t] - mean[a, t] <= spread(std, t, a, b)) for t, (a, b) in enumerate(zip(ours, theirs, strict=True))
    ]
    return {
        "agrees": agrees,
        "agrees_within_spread": within,
        "agreements": sum(agrees),
        "agreements_within_spread": sum(within),
    }


def spread(std: np.ndarray, target: int, source: int, other: int) -> float:
    """√(s² + s'²), the standard deviation of the difference of two sources' distances in a single repetition."""
    return math.hypot(std[source, target], std[other, target])


def column_spearman(ours: np.ndarray, theirs: np.ndarray, target: int) -> float | None:
    """Rank correlation of a target's seven distances with the published ones; None where one side is constant."""
    sources = [source for source in range(COUNT) if source != target]
    return spearman(ours[sources, target].tolist(), theirs[sources, target].tolist())


def spearman(left: Sequence[float], right: Sequence[float]) -> float | None:
    """Spearman's ρ, equal values sharing their mean rank, in [-1, 1]; None where one side is constant."""
    a, b = ranks(left), ranks(right)
    a, b = a - a.mean(), b - b.mean()
    scale = math.sqrt(float((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / scale if scale else None


def ranks(values: Sequence[float]) -> np.ndarray:
    """Ranks from 1; equal values share the mean of theirs."""
    array = np.array(values, dtype=np.float64)
    below = (array[None, :] < array[:, None]).sum(axis=1)
    equal = (array[None, :] == array[:, None]).sum(axis=1)
    return below + (equal + 1) / 2


def blocks(mean: np.ndarray) -> dict[str, float | None]:
    """The mean distance from one data set's tasks to another's, without the diagonal, and within over between.

    The ratio is None where all between are zero.
    """
    found: dict[str, list[float]] = {}
    for source in range(COUNT):
        for target in range(COUNT):
            if source != target:
                found.setdefault(f"{DATASETS[source]}_to_{DATASETS[target]}", []).append(float(mean[source, target]))
    result: dict[str, float | None] = {name: float(np.mean(values)) for name, values in found.items()}
    within = [value for name, values in found.items() if len(set(name.split("_to_"))) == 1 for value in values]
    between = [value for name, values in found.items() if len(set(name.split("_to_"))) == 2 for value in values]
    return result | {"within_over_between": float(np.mean(within) / np.mean(between)) if any(between) else None}
