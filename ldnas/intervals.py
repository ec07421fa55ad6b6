"""Intervals for measured fractions."""

import math


def standard_error(fraction: float, count: int) -> float:
    """The standard error of a binomial fraction, with one more hit and one more miss, so that it is never 0.

    It is the standard deviation of Beta(k + 1, n - k + 1) for k hits in n draws: the fraction's posterior under a
    uniform prior.
    """
    mean = (fraction * count + 1) / (count + 2)
    return math.sqrt(mean * (1 - mean) / (count + 3))


def wilson_interval(fraction: float, count: int, *, z: float = 1.959963984540054) -> tuple[float, float]:
    """The score interval of a binomial fraction (Wilson 1927), 95 % for the default z; both ends in [0, 1]."""
    centre = fraction + z * z / (2 * count)
    spread = z * math.sqrt(fraction * (1 - fraction) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)
