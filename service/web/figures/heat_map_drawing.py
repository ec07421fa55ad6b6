"""A heat map on matplotlib's axes."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from numpy import argwhere, array, float64, isnan, nan

from service.web.figures.heat_map import WRITTEN_CELLS


def draw_heat_map(
    axes: Axes, values: Sequence[Sequence[float | None]], rows: Sequence[str], columns: Sequence[str], unit: str
) -> None:
    """Draws near pairs dark, and hatches pairs without a measurement.

    Args:
        axes: to draw on.
        values: [len(rows)][len(columns)].
        rows: the names of the sources, from the top.
        columns: the names of the targets, from the left.
        unit: the label of the colour bar.
    """
    axes.set_xlabel("to the target")
    axes.set_ylabel("from the source")
    if not (rows and columns):
        axes.text(0.5, 0.5, "nothing was measured yet", ha="center", va="center")
        axes.set_xticks([])
        axes.set_yticks([])
        return
    table = array([[nan if value is None else value for value in row] for row in values], dtype=float64)
    axes.set_facecolor("0.93")
    axes.patch.set_hatch("///")
    axes.patch.set_edgecolor("0.8")
    image = axes.imshow(table, cmap="viridis", aspect="equal")
    axes.set_xticks(range(len(columns)), columns, rotation=60, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    if not isnan(table).all():
        axes.figure.colorbar(image, ax=axes, shrink=0.8, label=unit)
    if max(table.shape) > WRITTEN_CELLS:
        return
    for row, column in argwhere(~isnan(table)).tolist():
        red, green, blue, _ = image.cmap(image.norm(table[row, column]))
        colour = "white" if 0.3 * red + 0.6 * green + 0.1 * blue < 0.5 else "black"
        axes.text(column, row, f"{table[row, column]:.2g}", ha="center", va="center", color=colour)
