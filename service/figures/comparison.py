"""Compares recommendations: test accuracy against parameters."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from service.figures.figure import Figure
from service.schemas.answer import Recommendation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TICKS = {"dtick": "D2", "tickformat": "~s"}
"""1, 2 and 5 of every decade, as 20k."""


def comparison_figure(recommendations: Sequence[Recommendation]) -> Figure:
    """Draws test accuracy with its 95 % interval against parameters; omits recommendations without a network."""
    trained = [item for item in recommendations if item.test.accuracy is not None and item.architecture.parameters]
    names = [item.name or item.id[:8] for item in trained]
    parameters = [item.architecture.parameters or 0 for item in trained]
    accuracies = [item.test.accuracy or 0.0 for item in trained]
    below, above = _arms(trained)
    return Figure(
        title="Test accuracy against parameters",
        summary=_summary(names, accuracies, parameters),
        data=[
            {
                "type": "scatter",
                "mode": "markers+text",
                "x": [size],
                "y": [accuracy],
                "text": [name.replace("<", "&lt;")],
                "textposition": "middle right",
                "marker": {"size": 11},
                "error_y": {"type": "data", "symmetric": False, "array": [up], "arrayminus": [down]},
                "hovertemplate": f"{size:,} parameters: %{{y:.4f}}<extra></extra>",
                "showlegend": False,
            }
            for name, size, accuracy, up, down in zip(names, parameters, accuracies, above, below, strict=True)
        ],
        layout={
            "xaxis": {"title": {"text": "parameters"}, "type": "log", "range": _decades(parameters)} | _TICKS,
            "yaxis": {"title": {"text": "test accuracy"}},
        },
        columns=("id", "name", "parameters", "test_accuracy", "interval_low", "interval_high"),
        rows=[
            (item.id, item.name, size, accuracy, accuracy - down, accuracy + up)
            for item, size, accuracy, up, down in zip(trained, parameters, accuracies, above, below, strict=True)
        ],
        draw=lambda axes: _draw(axes, names, parameters, accuracies, (below, above)),
    )


def _arms(trained: Sequence[Recommendation]) -> tuple[list[float], list[float]]:
    """Returns the lengths of each interval below and above its accuracy."""
    intervals = [item.test.interval or (item.test.accuracy or 0.0,) * 2 for item in trained]
    accuracies = [item.test.accuracy or 0.0 for item in trained]
    return (
        [accuracy - low for accuracy, (low, _) in zip(accuracies, intervals, strict=True)],
        [high - accuracy for accuracy, (_, high) in zip(accuracies, intervals, strict=True)],
    )


def _decades(parameters: Sequence[int]) -> list[float]:
    """Returns the range of the axis in powers of ten, with room for the names to the right of their dots."""
    places = [math.log10(size) for size in parameters] or [3.0, 6.0]
    return [min(places) - 0.3, max(places) + 0.8]


def _summary(names: Sequence[str], accuracies: Sequence[float], parameters: Sequence[int]) -> str:
    if not names:
        return "None of them has a trained network yet."
    each = (
        f"{name} {accuracy:.4f} with {size:,} parameters"
        for name, accuracy, size in zip(names, accuracies, parameters, strict=True)
    )
    return f"Test accuracy with its 95 % interval: {'; '.join(each)}. Different tasks have different test images."


def _draw(
    axes: "Axes",
    names: Sequence[str],
    parameters: Sequence[int],
    accuracies: Sequence[float],
    arms: tuple[list[float], list[float]],
) -> None:
    axes.errorbar(parameters, accuracies, yerr=arms, fmt="o", capsize=3)
    for name, size, accuracy in zip(names, parameters, accuracies, strict=True):
        axes.annotate(name, (size, accuracy), xytext=(7, 0), textcoords="offset points", va="center")
    axes.set_xscale("log")
    axes.margins(x=0.3)
    axes.set_xlabel("parameters")
    axes.set_ylabel("test accuracy")
