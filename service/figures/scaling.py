"""Classical multidimensional scaling: points in the plane whose distances approximate given ones."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Placement:
    """The points of a scaling.

    Attributes:
        members: the placed items among the N, ascending; no measured path connects the others with these.
        points: float64 `[members, 2]`, in the unit of the distances, around the origin.
        shown: share of the spread that the plane shows, in [0, 1]: the two eigenvalues over the sum of all amounts.
        bridged: pairs of the members that were not measured; they count as the shortest measured path between them.
    """

    members: NDArray[np.int64]
    points: Matrix
    shown: float
    bridged: int


def place(distances: Matrix) -> Placement | None:
    """Scales the largest set of items that measured distances connect (Torgerson 1952).

    With D the symmetric distances and J = I - 1/n, the points are the two leading eigenvectors of -½ J D² J, each times
    the root of its eigenvalue.

    Args:
        distances: float64 `[N, N]`, not negative, NaN where not measured; two directions count as their mean.

    Returns:
        None if no two items are connected.
    """
    measured = _symmetric(distances)
    paths = _shortest_paths(measured)
    reached = np.isfinite(paths)
    members = np.flatnonzero(reached[reached.sum(axis=1).argmax()])
    if len(members) < 2:
        return None
    inside = np.ix_(members, members)
    unmeasured = np.isnan(measured[inside])
    filled = np.where(unmeasured, paths[inside], measured[inside])
    points, shown = _scaled(filled)
    return Placement(members, points, shown, int(np.triu(unmeasured, k=1).sum()))


def _symmetric(distances: Matrix) -> Matrix:
    other = distances.T
    both = np.where(np.isnan(distances), other, np.where(np.isnan(other), distances, (distances + other) / 2))
    np.fill_diagonal(both, 0.0)
    return both


def _shortest_paths(measured: Matrix) -> Matrix:
    """Computes the length of the shortest path between any two items (Floyd and Warshall), infinite without a path."""
    paths = np.where(np.isnan(measured), np.inf, measured)
    for through in range(len(paths)):
        paths = np.minimum(paths, paths[:, through, None] + paths[None, through, :])
    return paths


def _scaled(distances: Matrix) -> tuple[Matrix, float]:
    squared = distances**2
    centred = squared - squared.mean(axis=0) - squared.mean(axis=1)[:, None] + squared.mean()
    values, vectors = np.linalg.eigh(-centred / 2)
    leading, axes = values[::-1][:2], vectors[:, ::-1][:, :2]
    # The sign of an eigenvector is arbitrary. Its largest part is made positive, so that equal input gives equal maps.
    axes = axes * np.where(np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], 0) < 0, -1.0, 1.0)
    lengths = np.sqrt(np.clip(leading, 0.0, None))
    spread = np.abs(values).sum()
    return axes * lengths, float((lengths**2).sum() / spread) if spread > 0 else 1.0
