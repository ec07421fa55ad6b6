"""The matrix as the dashboard shows it: ordered, and in clusters that open where there are too many tasks to draw."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.api.matrix.cached_tables import Counts, Floats, MatrixTables
from service.api.matrix.figure import MAX_TASKS, pair_address
from service.figures.clusters import clustered_order, clusters, nearness
from service.figures.figure import Figure
from service.figures.heat_map import Axis, Order, Shown, heat_map
from worker.errors import NotFoundError
from worker.specification import Measure

CLUSTERS = 24
"""Most clusters that a matrix is divided into if it is too large to draw."""


@dataclass(frozen=True)
class View:
    """The part of a matrix that is drawn.

    Attributes:
        ids: of all tasks, in the matrix's order.
        names: of all tasks.
        mean: [N, N] over those tasks, NaN where not measured.
        std: [N, N], NaN where not measured.
        repetitions: [N, N], 0 where not measured.
        groups: the clusters to draw, as places in `ids`; empty if the tasks themselves are drawn.
        inside: the opened cluster, as the number of each cluster on the way to it, outermost first; empty outside.
    """

    ids: Sequence[str]
    names: Sequence[str]
    mean: Floats
    std: Floats
    repetitions: Counts
    groups: Sequence[Sequence[int]]
    inside: Sequence[int]


def matrix_view(tables: MatrixTables, inside: Sequence[int]) -> View:
    """Returns the matrix, or the cluster of it that `inside` names; in clusters if more than 200 tasks remain.

    Raises:
        NotFoundError: the cluster does not exist (or no longer: clusters change with the matrix).
    """
    members, groups = _opened(nearness(tables.mean), inside)
    block = np.ix_(members, members)
    return View(
        ids=[tables.ids[member] for member in members],
        names=[tables.names[member] for member in members],
        mean=tables.mean[block],
        std=tables.std[block],
        repetitions=tables.repetitions[block],
        groups=groups,
        inside=inside,
    )


def view_figure(view: View, *, measure: Measure, shown: Shown, order: Order, address: str) -> Figure:
    """Draws the heat map of a view. A cell of two clusters shows the mean over the pairs between them.

    Args:
        view: the tasks or clusters to draw.
        measure: by name.
        shown: the mean or the spread.
        order: of the tasks; clusters are always ordered by nearness.
        address: of the page with the matrix; a cluster's `inside` is appended to it.
    """
    if not view.groups:
        places = _ordered(view, order)
        axis = Axis([view.names[place] for place in places], [view.ids[place] for place in places])
        tables = {"mean": view.mean, "std": view.std, "repetitions": view.repetitions}
        block = np.ix_(places, places)
        shown_tables = {name: _open_cells(table[block], view.mean[block]) for name, table in tables.items()}
        return heat_map(axis, axis, shown_tables, measure=measure, shown=shown, address=pair_address(measure))
    between = _between(view.mean, view.groups)
    places = clustered_order(nearness(between))
    numbers = [".".join(map(str, [*view.inside, place])) for place in places]
    axis = Axis([_cluster_name(view, place) for place in places], numbers)
    block = np.ix_(places, places)
    spread, pairs = _between(view.std, view.groups), _pairs(view.mean, view.groups)
    tables = {"mean": between, "std": spread, "repetitions": pairs}
    shown_tables = {name: _open_cells(table[block], between[block]) for name, table in tables.items()}
    return heat_map(axis, axis, shown_tables, measure=measure, shown=shown, address=f"{address}&inside={{source}}")


def _opened(apart: Floats, inside: Sequence[int]) -> tuple[list[int], list[list[int]]]:
    """Returns the places of the tasks inside, and their clusters if there are too many tasks to draw."""
    members = list(range(len(apart)))
    for step in [*inside, None]:
        if len(members) <= MAX_TASKS:
            if step is None:
                break
            raise NotFoundError("cluster", ".".join(map(str, inside)))
        found = clusters(apart[np.ix_(members, members)], CLUSTERS)
        if step is None:
            return members, found
        if step >= len(found):
            raise NotFoundError("cluster", ".".join(map(str, inside)))
        members = [members[place] for place in found[step]]
    return members, []


def _ordered(view: View, order: Order) -> list[int]:
    places = list(range(len(view.ids)))
    if order == "name":
        return sorted(places, key=lambda place: view.names[place])
    return clustered_order(nearness(view.mean)) if order == "clustered" else places


def _cluster_name(view: View, place: int) -> str:
    group = view.groups[place]
    first = view.names[group[0]]
    return first if len(group) == 1 else f"{first} +{len(group) - 1}"


def _between(table: Floats, groups: Sequence[Sequence[int]]) -> Floats:
    """Averages over the measured pairs of tasks of two groups, without pairs of a task with itself."""
    foreign = table.copy()
    np.fill_diagonal(foreign, np.nan)
    sums, counts = (_summed(part, groups) for part in (np.nan_to_num(foreign), (~np.isnan(foreign)).astype(float)))
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def _pairs(mean: Floats, groups: Sequence[Sequence[int]]) -> Counts:
    return _summed((~np.isnan(mean)).astype(float), groups).astype(np.int64)


def _summed(table: Floats, groups: Sequence[Sequence[int]]) -> Floats:
    belongs = np.zeros((len(groups), len(table)))
    for number, group in enumerate(groups):
        belongs[number, list(group)] = 1.0
    summed: Floats = belongs @ table @ belongs.T
    return summed


def _open_cells(table: NDArray[Any], mean: Floats) -> list[list[Any]]:
    """Converts to lists, with None for pairs that were not measured."""
    unknown = np.isnan(table) | np.isnan(mean)
    return [_row(values, open_ones) for values, open_ones in zip(table.tolist(), unknown.tolist(), strict=True)]


def _row(values: Iterable[float], unknown: Iterable[bool]) -> list[float | None]:
    return [None if is_open else value for value, is_open in zip(values, unknown, strict=True)]
