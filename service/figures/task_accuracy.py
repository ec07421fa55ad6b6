"""The accuracy of a task's networks: a dot for each repetition, against 1-ε."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from service.figures.figure import Figure
from service.schemas.tasks import TaskNetwork

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TITLE = "Balanced accuracy of the networks"
_AXIS = "balanced validation accuracy"


def task_accuracy(networks: Sequence[TaskNetwork], epsilon: float) -> Figure | None:
    """Draws the networks; returns None without a trained network."""
    scores = [
        (f"repetition {network.repetition + 1}", network.validation_balanced_accuracy)
        for network in networks
        if network.validation_balanced_accuracy is not None
    ]
    if not scores:
        return None
    names, values = [name for name, _ in scores], [value for _, value in scores]
    places, edges = list(range(len(names))), [-0.5, len(names) - 0.5]
    needed = 1 - epsilon
    reached = sum(value >= needed for value in values)
    lowest = max(0.0, min([*values, needed]) - 0.08)
    return Figure(
        title=_TITLE,
        summary=f"{reached} of {len(values)} networks reach 1 - ε = {needed:.1%}; the lowest has {min(values):.1%}.",
        data=[
            {
                "type": "scatter",
                "mode": "markers",
                "name": "network",
                "x": values,
                "y": places,
                "text": names,
                "marker": {"size": 12},
                "hovertemplate": "%{text}: %{x:.1%}<extra></extra>",
                "cliponaxis": False,
            },
            {
                "type": "scatter",
                "mode": "lines",
                "name": f"1 - ε = {needed:.0%}",
                "x": [needed, needed],
                "y": edges,
                "line": {"dash": "dash", "width": 2},
                "hoverinfo": "skip",
            },
        ],
        layout={
            "xaxis": {"range": [lowest, 1.0], "tickformat": ".0%", "title": {"text": _AXIS}},
            "yaxis": {"tickvals": places, "ticktext": names, "range": edges[::-1], "zeroline": False},
            "margin": {"t": 34, "r": 12, "b": 44, "l": 56},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        },
        columns=("repetition", "balanced_validation_accuracy", "needed"),
        rows=[(number + 1, value, needed) for number, value in enumerate(values)],
        draw=lambda axes: _draw(axes, names, values, needed, lowest),
        inches=(6.4, 1.4 + 0.3 * len(names)),
    )


def _draw(axes: "Axes", names: list[str], values: list[float], needed: float, lowest: float) -> None:
    axes.scatter(values, names, zorder=3)
    axes.axvline(needed, linestyle="--", color="C1", label=f"1 - ε = {needed:.0%}")
    axes.set_xlim(lowest, 1.005)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel(_AXIS)
    axes.legend()
