"""Clusters tasks by distance: the order of a heat map, and groups if there are too many tasks to draw."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def nearness(mean: Sequence[Sequence[float | None]] | Floats) -> Floats:
    """Makes distances symmetric: a matrix with zeros on its diagonal, independent of which task is the source.

    Args:
        mean: [N, N], the distance from the task of a row to that of a column; None (or NaN) where not measured.

    Returns:
        [N, N]: the mean of both directions, or the measured one if only one was measured. A pair without any
        measurement gets the largest value of all, so that unmeasured tasks do not look alike. If the measure has
        negative values, all values are shifted to begin at 0.
    """
    one_way = np.array(mean, dtype=np.float64)
    both = np.stack([one_way, one_way.T])
    known = ~np.isnan(both)
    counts = known.sum(axis=0)
    sums = np.where(known, both, 0.0).sum(axis=0)
    apart = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    np.fill_diagonal(apart, np.nan)
    if np.isnan(apart).all():
        return np.zeros_like(apart)
    apart = np.where(np.isnan(apart), np.nanmax(apart), apart) - min(0.0, float(np.nanmin(apart)))
    np.fill_diagonal(apart, 0.0)
    return np.asarray(apart, dtype=np.float64)


def clustered_order(apart: Floats) -> list[int]:
    """Orders the tasks as a dendrogram (average linkage) does, with its branches turned so that neighbours are near."""
    if len(apart) < 3:
        return list(range(len(apart)))
    # Imported only for a heat map, so that a process that serves JSON starts without scipy.
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    tree = linkage(squareform(apart, checks=False), "average", optimal_ordering=True)
    return [int(leaf) for leaf in leaves_list(tree)]


def clusters(apart: Floats, count: int) -> list[list[int]]:
    """Groups the tasks (average linkage) into at most `count` groups, largest first, each in the order of its tasks."""
    if len(apart) <= 1:
        return [[place] for place in range(len(apart))]
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    labels = fcluster(linkage(squareform(apart, checks=False), "average"), count, "maxclust")
    groups: dict[int, list[int]] = {}
    for place, label in enumerate(labels.tolist()):
        groups.setdefault(label, []).append(place)
    return sorted(groups.values(), key=lambda group: (-len(group), group[0]))
