"""Tasks as points of a plane: tasks with small distances are near each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot
from typing import TYPE_CHECKING, Any

import numpy as np

from service.figures.figure import Figure
from service.figures.scaling import Placement, place
from worker.registry import MatrixEntry

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMED_AT_MOST = 40
"""With more points, names are shown only on hover."""

_LONGEST_NAME = 20
_SYMBOLS = {"baseline": ("circle", "o"), "target": ("diamond", "D")}


@dataclass(frozen=True)
class MapTask:
    """A task of the map: `role` is `baseline` or `target`."""

    id: str
    name: str
    role: str


def task_map(measure: str, tasks: Sequence[MapTask], entries: Sequence[MatrixEntry], *, more: bool) -> Figure | None:
    """Draws the map; returns None if no distance between two of the tasks was measured.

    Args:
        measure: of the entries; its values are never negative.
        tasks: the tasks to place.
        entries: the measured pairs among them.
        more: whether the registry has older tasks that the map omits.
    """
    order = {task.id: number for number, task in enumerate(tasks)}
    distances = np.full((len(tasks), len(tasks)), np.nan)
    for entry in entries:
        distances[order[entry.source_task_id], order[entry.target_task_id]] = entry.mean
    placement = place(distances) if len(tasks) > 1 else None
    if placement is None:
        return None
    placed = [
        (tasks[member], *point) for member, point in zip(placement.members, placement.points.tolist(), strict=True)
    ]
    return Figure(
        title=f"Tasks by {measure}",
        summary=_summary(measure, placement, tasks=len(tasks), more=more),
        data=[trace for role in _SYMBOLS if (trace := _trace(role, placed))],
        layout={
            "xaxis": {"title": {"text": measure}, "zeroline": False},
            "yaxis": {"scaleanchor": "x", "zeroline": False},
            "hovermode": "closest",
            "showlegend": len({task.role for task, _, _ in placed}) > 1,
        },
        columns=("task_id", "name", "role", "x", "y"),
        rows=[(task.id, task.name, task.role, x, y) for task, x, y in placed],
        draw=lambda axes: _draw(axes, measure, placed),
        inches=(6.4, 5.2),
    )


def _summary(measure: str, placement: Placement, *, tasks: int, more: bool) -> str:
    members = len(placement.members)
    pairs = members * (members - 1) // 2
    said = [
        f"{members} tasks. Tasks with a small distance by {measure}, the mean of both directions, are near each other.",
        f"This is a projection: the plane shows {placement.shown:.0%} of the spread.",
    ]
    if placement.bridged:
        said.append(
            f"{placement.bridged:,} of {pairs:,} pairs were not measured and count as the shortest path through others."
        )
    if tasks > members:
        said.append(f"{tasks - members} tasks without a measured path to these are left out.")
    if more:
        said.append(f"The map considers only the newest {tasks} tasks.")
    return " ".join(said)


def _trace(role: str, placed: Sequence[tuple[MapTask, float, float]]) -> dict[str, Any] | None:
    shown = [(task, x, y) for task, x, y in placed if task.role == role]
    if not shown:
        return None
    return {
        "type": "scatter",
        "mode": "markers+text" if len(placed) <= NAMED_AT_MOST else "markers",
        "name": f"{role}s",
        "x": [x for _, x, _ in shown],
        "y": [y for _, _, y in shown],
        "text": [_short(task.name) for task, _, _ in shown],
        "textposition": ["bottom center" if _has_close_above(place, placed) else "top center" for place in shown],
        "hovertext": [task.name for task, _, _ in shown],
        "hovertemplate": "%{hovertext}<extra></extra>",
        "customdata": [f"/tasks/{task.id}" for task, _, _ in shown],
        "marker": {"size": 11 if len(placed) <= NAMED_AT_MOST else 8, "symbol": _SYMBOLS[role][0]},
        "cliponaxis": False,
    }


def _has_close_above(place: tuple[MapTask, float, float], placed: Sequence[tuple[MapTask, float, float]]) -> bool:
    """Whether the nearest other point is above, so that this point's name must go below."""
    _, x, y = place
    others = [(hypot(x - other_x, y - other_y), other_y) for other, other_x, other_y in placed if other is not place[0]]
    return len(placed) <= NAMED_AT_MOST and min(others)[1] > y


def _draw(axes: "Axes", measure: str, placed: Sequence[tuple[MapTask, float, float]]) -> None:
    for role, (_, marker) in _SYMBOLS.items():
        shown = [(x, y) for task, x, y in placed if task.role == role]
        if shown:
            axes.scatter(*zip(*shown, strict=True), marker=marker, label=f"{role}s")
    if len(placed) <= NAMED_AT_MOST:
        for task, x, y in placed:
            below = _has_close_above((task, x, y), placed)
            axes.annotate(
                _short(task.name),
                (x, y),
                xytext=(0, -5 if below else 5),
                textcoords="offset points",
                ha="center",
                va="top" if below else "bottom",
                fontsize=8,
            )
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel(measure)
    axes.margins(0.12)
    axes.legend()


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
