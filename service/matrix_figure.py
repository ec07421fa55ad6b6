"""The matrix of distances as a picture."""

import io
import threading
from collections.abc import Mapping
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy import argwhere, array, float64, isnan, nan

from service.errors import MatrixTooLargeError

MAX_TASKS = 200
_WRITTEN_CELLS = 15
"""Up to so many rows and columns the figures stand in the cells."""
_CELL_INCHES = 0.55
_SMALLEST_CELL_INCHES = 0.11
_LONGEST_NAME = 24

_one_drawing = threading.Lock()  # matplotlib's settings are those of the process


def matrix_svg(matrix: Mapping[str, Any]) -> bytes:
    """The matrix as SVG: rows are sources, columns targets, dark is near, hatched was not measured.

    Equal matrices give equal bytes. Text stays text, so that it can be searched, and read by a screen reader.

    Raises:
        MatrixTooLargeError: there are more than 200 rows or columns.
    """
    sources, targets = matrix["sources"], matrix["targets"]
    if max(len(sources), len(targets)) > MAX_TASKS:
        raise MatrixTooLargeError(
            f"{max(len(sources), len(targets)):,} tasks are more than the {MAX_TASKS} of a picture; name a `source` or "
            "a `target` to narrow it down, or take JSON or CSV"
        )
    names = {task["id"]: _short(task["name"]) for task in matrix["tasks"]}
    cell = max(_SMALLEST_CELL_INCHES, min(_CELL_INCHES, 11 / max(1, len(sources), len(targets))))
    with (
        _one_drawing,
        matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "ldnas", "text.parse_math": False}),
    ):
        matplotlib.rcParams["font.size"] = min(9.0, 60 * cell)
        figure = Figure(figsize=(3.4 + cell * len(targets), 2.4 + cell * len(sources)), layout="constrained")
        axes = figure.add_subplot()
        axes.set_title(f"Distances by {matrix['measure']}")
        if sources and targets:
            _draw(figure, axes, matrix)
            axes.set_xticks(range(len(targets)), [names[task] for task in targets], rotation=60, ha="right")
            axes.set_yticks(range(len(sources)), [names[task] for task in sources])
        else:
            axes.text(0.5, 0.5, "nothing was measured yet", ha="center", va="center")
            axes.set_xticks([])
            axes.set_yticks([])
        axes.set_xlabel("to the target")
        axes.set_ylabel("from the source")
        drawn = io.BytesIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": "ldnas", "Title": axes.get_title()})
    return drawn.getvalue()


def _draw(figure: Figure, axes: Axes, matrix: Mapping[str, Any]) -> None:
    means = array([[nan if mean is None else mean for mean in row] for row in matrix["mean"]], dtype=float64)
    axes.set_facecolor("0.93")
    axes.patch.set_hatch("///")
    axes.patch.set_edgecolor("0.8")
    image = axes.imshow(means, cmap="viridis", aspect="equal")
    if not isnan(means).all():
        figure.colorbar(image, ax=axes, shrink=0.8, label="distance, mean over repetitions")
    if max(means.shape) > _WRITTEN_CELLS:
        return
    for row, column in argwhere(~isnan(means)).tolist():
        red, green, blue, _ = image.cmap(image.norm(means[row, column]))
        colour = "white" if 0.3 * red + 0.6 * green + 0.1 * blue < 0.5 else "black"
        axes.text(column, row, f"{means[row, column]:.2g}", ha="center", va="center", color=colour)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
