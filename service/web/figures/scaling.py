"""Points in the plane whose distances are as near as possible to given ones: classical multidimensional scaling."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Placement:
    """Where things lie.

    Attributes:
        members: which of the N things were placed, ascending; the others have no measured way to these.
        points: float64 `[members, 2]`, in the unit of the distances, around the origin.
        shown: share of the spread that the plane shows, in [0, 1]: the two eigenvalues over the sum of all amounts.
        bridged: how many pairs of the members were not measured, and count as the shortest way through measured ones.
    """

    members: NDArray[np.int64]
    points: Matrix
    shown: float
    bridged: int


def place(distances: Matrix) -> Placement | None:
    """Classical scaling (Torgerson 1952) of the largest set of things that measured distances connect.

    With D the symmetric distances and J = I - 1/n, the points are the two leading eigenvectors of -½ J D² J, each times
    the root of its eigenvalue.

    Args:
        distances: float64 `[N, N]`, none negative, NaN where not measured; of two directions the mean counts.

    Returns:
        None where no two things are connected.
    """
    measured = _symmetric(distances)
    ways = _shortest_ways(measured)
    reached = np.isfinite(ways)
    members = np.flatnonzero(reached[reached.sum(axis=1).argmax()])
    if len(members) < 2:
        return None
    inside = np.ix_(members, members)
    unmeasured = np.isnan(measured[inside])
    filled = np.where(unmeasured, ways[inside], measured[inside])
    points, shown = _scaled(filled)
    return Placement(members, points, shown, int(np.triu(unmeasured, k=1).sum()))


def _symmetric(distances: Matrix) -> Matrix:
    other = distances.T
    both = np.where(np.isnan(distances), other, np.where(np.isnan(other), distances, (distances + other) / 2))
    np.fill_diagonal(both, 0.0)
    return both


def _shortest_ways(measured: Matrix) -> Matrix:
    """The length of the shortest way between any two (Floyd and Warshall), infinite where there is none."""
    ways = np.where(np.isnan(measured), np.inf, measured)
    for through in range(len(ways)):
        ways = np.minimum(ways, ways[:, through, None] + ways[None, through, :])
    return ways


def _scaled(distances: Matrix) -> tuple[Matrix, float]:
    squared = distances**2
    centred = squared - squared.mean(axis=0) - squared.mean(axis=1)[:, None] + squared.mean()
    values, vectors = np.linalg.eigh(-centred / 2)
    leading, axes = values[::-1][:2], vectors[:, ::-1][:, :2]
    # An eigenvector may as well point the other way: its largest part is to be positive, so that equal maps are equal.
    axes = axes * np.where(np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], 0) < 0, -1.0, 1.0)
    lengths = np.sqrt(np.clip(leading, 0.0, None))
    spread = np.abs(values).sum()
    return axes * lengths, float((lengths**2).sum() / spread) if spread > 0 else 1.0
