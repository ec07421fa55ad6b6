"""Intervals for measured fractions."""

import math


def wilson_interval(fraction: float, count: int, *, z: float = 1.959963984540054) -> tuple[float, float]:
    """The score interval of a binomial fraction (Wilson 1927), 95 % for the default z; both ends in [0, 1]."""
    centre = fraction + z * z / (2 * count)
    spread = z * math.sqrt(fraction * (1 - fraction) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)
