"""Anytime curves: the best score so far against the seconds spent, as a mean and a band over seeds."""

import statistics
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

Points = Sequence[Sequence[float]]
"""A curve: [seconds, height] in the order of the seconds."""


@dataclass(frozen=True)
class Band:
    """Over seeds, at each of some seconds: mean, least and greatest, as fractions."""

    seconds: tuple[float, ...]
    mean: tuple[float, ...]
    least: tuple[float, ...]
    greatest: tuple[float, ...]


def band(seeds: Sequence[Points]) -> Band:
    """The curves of all seeds as one, at every second at which one of them changes.

    A curve of [seconds, height] holds its height until its next point. The band begins where the last of the seeds
    has its first point; it is empty where a seed has none.
    """
    if not seeds or not all(seeds):
        return Band((), (), (), ())
    begun = max(points[0][0] for points in seeds)
    grid = sorted({second for points in seeds for second, _ in points if second >= begun})
    heights = [[_height(points, second) for points in seeds] for second in grid]
    return _over_seeds(grid, heights)


def marker_of(ends: Points) -> Band:
    """The last points of the seeds' curves as one: at the mean of their seconds."""
    return _over_seeds([statistics.fmean(second for second, _ in ends)], [[height for _, height in ends]])


def _over_seeds(seconds: Sequence[float], heights: Sequence[Sequence[float]]) -> Band:
    means, least, greatest = ([of(one) for one in heights] for of in (statistics.fmean, min, max))
    return Band(tuple(seconds), tuple(means), tuple(least), tuple(greatest))


def _height(points: Points, second: float) -> float:
    return points[bisect_right(points, second, key=lambda point: point[0]) - 1][1]
