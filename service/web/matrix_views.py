"""The matrix as the dashboard shows it: ordered, and in clusters that open where there are too many tasks to draw."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.matrix_figure import MAX_TASKS, pair_address
from service.schemas.distances import Measure
from service.web.clusters import clustered_order, clusters, nearness
from service.web.figures.figure import Figure
from service.web.figures.heat_map import Axis, Order, Shown, heat_map
from service.web.matrix_tables import Counts, Floats, MatrixTables
from worker.registry.errors import NotFoundError

CLUSTERS = 24
"""Into so many at most a matrix falls that is too large to draw."""


@dataclass(frozen=True)
class View:
    """What is drawn of a matrix.

    Attributes:
        ids: of all tasks, in the matrix's order.
        names: theirs.
        mean: [N, N] over those tasks, NaN where not measured.
        std: the same.
        repetitions: the same; 0 where not measured.
        groups: the clusters that are drawn, as places in `ids`; empty where the tasks themselves are.
        inside: the cluster that was opened, as the places of its numbers from the outermost on; empty outside.
    """

    ids: Sequence[str]
    names: Sequence[str]
    mean: Floats
    std: Floats
    repetitions: Counts
    groups: Sequence[Sequence[int]]
    inside: Sequence[int]


def matrix_view(tables: MatrixTables, inside: Sequence[int]) -> View:
    """The matrix, or the cluster of it that `inside` leads to; in clusters where more than 200 tasks are left.

    Raises:
        NotFoundError: there is no such cluster (any more: they change with the matrix).
    """
    members, groups = _opened(nearness(tables.mean), inside)
    kept = np.ix_(members, members)
    return View(
        ids=[tables.ids[member] for member in members],
        names=[tables.names[member] for member in members],
        mean=tables.mean[kept],
        std=tables.std[kept],
        repetitions=tables.repetitions[kept],
        groups=groups,
        inside=inside,
    )


def view_figure(view: View, *, measure: Measure, shown: Shown, order: Order, address: str) -> Figure:
    """The heat map of a view; a cell of two clusters shows the mean over the pairs between them.

    Args:
        view: what is drawn.
        measure: by name.
        shown: the mean or the spread.
        order: of the tasks; clusters always stand beside those that they are near to.
        address: of the page with the matrix, to which a cluster's `inside` is added.
    """
    if not view.groups:
        places = _ordered(view, order)
        axis = Axis([view.names[place] for place in places], [view.ids[place] for place in places])
        tables = {"mean": view.mean, "std": view.std, "repetitions": view.repetitions}
        kept = np.ix_(places, places)
        shown_tables = {name: _open_cells(table[kept], view.mean[kept]) for name, table in tables.items()}
        return heat_map(axis, axis, shown_tables, measure=measure, shown=shown, address=pair_address(measure))
    between = _between(view.mean, view.groups)
    places = clustered_order(nearness(between))
    numbers = [".".join(map(str, [*view.inside, place])) for place in places]
    axis = Axis([_cluster_name(view, place) for place in places], numbers)
    kept = np.ix_(places, places)
    spread, pairs = _between(view.std, view.groups), _pairs(view.mean, view.groups)
    tables = {"mean": between, "std": spread, "repetitions": pairs}
    shown_tables = {name: _open_cells(table[kept], between[kept]) for name, table in tables.items()}
    return heat_map(axis, axis, shown_tables, measure=measure, shown=shown, address=f"{address}&inside={{source}}")


def _opened(apart: Floats, inside: Sequence[int]) -> tuple[list[int], list[list[int]]]:
    """The places of the tasks inside, and the clusters that they fall into where they are too many to draw."""
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
    """Means over the pairs of tasks of two groups that were measured, without tasks and themselves."""
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
    """As lists with None where nothing was measured."""
    unknown = np.isnan(table) | np.isnan(mean)
    return [_row(values, open_ones) for values, open_ones in zip(table.tolist(), unknown.tolist(), strict=True)]


def _row(values: Iterable[float], unknown: Iterable[bool]) -> list[float | None]:
    return [None if is_open else value for value, is_open in zip(values, unknown, strict=True)]
