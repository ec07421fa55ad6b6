"""The nearest tasks to one task: their distances, with the spread over repetitions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.figures.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LONGEST_NAME = 28


@dataclass(frozen=True)
class Neighbour:
    """A task, and the distance from it to the shown task: mean and standard deviation over repetitions."""

    task_id: str
    name: str
    mean: float
    std: float | None
    repetitions: int


def task_neighbours(task: str, measure: str, neighbours: Sequence[Neighbour]) -> Figure | None:
    """Draws `neighbours`, given nearest first; returns None without any."""
    if not neighbours:
        return None
    nearest = neighbours[0]
    means, stds = [item.mean for item in neighbours], [item.std or 0.0 for item in neighbours]
    names = _labels(neighbours)
    return Figure(
        title=f"Distances to {task}",
        summary=f"{nearest.name} is nearest, at {nearest.mean:.3g} by {measure}."
        + (" The bars are one standard deviation over repetitions." if any(stds) else ""),
        data=[
            {
                "type": "scatter",
                "mode": "markers",
                "x": means,
                "y": names,
                "error_x": {"type": "data", "array": stds, "thickness": 2, "width": 5},
                "marker": {"size": 11},
                "customdata": [f"/tasks/{item.task_id}" for item in neighbours],
                "hovertemplate": "%{y}: %{x:.4g}<extra></extra>",
                "cliponaxis": False,
            }
        ],
        layout={
            "xaxis": {"title": {"text": measure}},
            "yaxis": {"autorange": "reversed", "type": "category"},
            "showlegend": False,
        },
        columns=("task_id", "name", "mean", "std", "repetitions"),
        rows=[(item.task_id, item.name, item.mean, item.std, item.repetitions) for item in neighbours],
        draw=lambda axes: _draw(axes, names, means, stds, measure),
        inches=(6.4, 1.4 + 0.28 * len(names)),
    )


def _labels(neighbours: Sequence[Neighbour]) -> list[str]:
    """Makes the names unique, since each is a category of the axis."""
    seen: dict[str, int] = {}
    labels = []
    for item in neighbours:
        name = item.name if len(item.name) <= _LONGEST_NAME else f"{item.name[: _LONGEST_NAME - 1]}…"
        seen[name] = seen.get(name, 0) + 1
        labels.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return labels


def _draw(axes: "Axes", names: list[str], means: list[float], stds: list[float], measure: str) -> None:
    axes.errorbar(means, names, xerr=stds, fmt="o", capsize=3)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel(measure)
