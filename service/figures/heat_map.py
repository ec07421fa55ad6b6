"""The matrix of distances as a heat map: one cell for each pair of tasks, or for each pair of clusters."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from service.figures.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Shown = Literal["mean", "std"]
Order = Literal["clustered", "name", "age"]
_WORDS = {"mean": "distance, mean over repetitions", "std": "standard deviation over repetitions"}
WRITTEN_CELLS = 15
"""Most rows and columns for which the cells contain their values."""
_LONGEST_NAME = 24
_MOST_NAMES = 40
_CELL_INCHES = 0.55
_SMALLEST_CELL_INCHES = 0.11


@dataclass(frozen=True)
class Axis:
    """The tasks, or clusters of tasks, of the rows or the columns.

    Attributes:
        names: the shown names; they may repeat.
        ids: the ids in the table and in the addresses of cells.
    """

    names: Sequence[str]
    ids: Sequence[str]


Table = Sequence[Sequence[float | None]]


def heat_map(
    rows: Axis, columns: Axis, tables: Mapping[str, Table], *, measure: str, shown: Shown, address: str | None
) -> Figure:
    """Draws rows for sources and columns for targets; a pair without a measurement stays empty.

    Args:
        rows: the sources, in the order to draw them from the top.
        columns: the targets, from the left.
        tables: `mean`, `std` and `repetitions`, each `[len(rows)][len(columns)]`.
        measure: by name.
        shown: the table that the colours show.
        address: the link of a cell, with `{source}` and `{target}` in it; None without links.
    """
    values = tables[shown]
    cell = max(_SMALLEST_CELL_INCHES, min(_CELL_INCHES, 11 / max(1, len(rows.ids), len(columns.ids))))
    cells = [(row, column) for row in range(len(rows.ids)) for column in range(len(columns.ids))]
    trace: dict[str, Any] = {
        "type": "heatmap",
        "z": values,
        "text": [
            [_hover(rows.names[row], columns.names[column], tables, row, column) for column in range(len(columns.ids))]
            for row in range(len(rows.ids))
        ],
        "customdata": [
            [None if address is None else address.format(source=source, target=target) for target in columns.ids]
            for source in rows.ids
        ],
        "hovertemplate": "%{text}<extra></extra>",
        "hoverongaps": False,
        "xgap": 1,
        "ygap": 1,
        "colorscale": "Viridis",
        "colorbar": {"title": {"text": _WORDS[shown], "side": "right"}, "thickness": 14},
    }
    if max(len(rows.ids), len(columns.ids)) <= WRITTEN_CELLS:
        trace["texttemplate"] = "%{z:.2g}"
    return Figure(
        title=f"Distances by {measure}",
        summary=_summary(rows, columns, tables["mean"]),
        data=[trace],
        layout={"xaxis": _axis(columns, "to the target", -45), "yaxis": _axis(rows, "from the source", 0) | _DOWNWARDS},
        columns=("source_id", "source", "target_id", "target", "mean", "std", "repetitions"),
        rows=[
            (rows.ids[row], rows.names[row], columns.ids[column], columns.names[column], *_cell(tables, row, column))
            for row, column in cells
            if tables["mean"][row][column] is not None
        ],
        draw=lambda axes: _draw(axes, rows, columns, values, _WORDS[shown]),
        inches=(3.4 + cell * len(columns.ids), 2.4 + cell * len(rows.ids)),
        font_size=min(9.0, 60 * cell),
    )


_DOWNWARDS = {"autorange": "reversed"}


def _axis(axis: Axis, title: str, angle: int) -> dict[str, Any]:
    # By place, not by name: two targets may have the same name. If names would overlap, only some are shown.
    named = range(0, len(axis.names), math.ceil(len(axis.names) / _MOST_NAMES) or 1)
    return {
        "title": {"text": title, "standoff": 14},
        "tickvals": list(named),
        "ticktext": [_escaped(_short(axis.names[place])) for place in named],
        "tickangle": angle,
        "showgrid": False,
        "zeroline": False,
    }


def _hover(source: str, target: str, tables: Mapping[str, Table], row: int, column: int) -> str:
    mean, std, repetitions = _cell(tables, row, column)
    if mean is None:
        return f"{_escaped(source)} to {_escaped(target)}: not measured"
    spread = "" if std is None else f" ± {std:.3g} over {repetitions} repetitions"
    return f"{_escaped(source)} to {_escaped(target)}<br>{mean:.4g}{spread}"


def _cell(tables: Mapping[str, Table], row: int, column: int) -> Sequence[float | None]:
    return [tables[name][row][column] for name in ("mean", "std", "repetitions")]


def _summary(rows: Axis, columns: Axis, mean: Table) -> str:
    known = [
        (value, rows.names[row], columns.names[column])
        for row, values in enumerate(mean)
        for column, value in enumerate(values)
        if value is not None and rows.ids[row] != columns.ids[column]
    ]
    if not known:
        return "This measure has no distance between two tasks yet."
    least, greatest = min(known), max(known)
    return (
        f"{len(known):,} measured pairs. The nearest: {least[1]} to {least[2]} ({least[0]:.3g}); "
        f"the farthest: {greatest[1]} to {greatest[2]} ({greatest[0]:.3g})."
    )


def _escaped(name: str) -> str:
    """Escapes the name: Plotly reads `<` as the beginning of a tag."""
    return name.replace("&", "&amp;").replace("<", "&lt;")


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _draw(axes: "Axes", rows: Axis, columns: Axis, values: Table, unit: str) -> None:
    """Draws near pairs dark, and hatches pairs without a measurement."""
    # Imported only for a file, so that a process that serves JSON starts without numpy.
    from numpy import argwhere, array, float64, isnan, nan

    axes.set_xlabel("to the target")
    axes.set_ylabel("from the source")
    if not (rows.ids and columns.ids):
        axes.text(0.5, 0.5, "nothing was measured yet", ha="center", va="center")
        axes.set_xticks([])
        axes.set_yticks([])
        return
    table = array([[nan if value is None else value for value in row] for row in values], dtype=float64)
    axes.set_facecolor("0.93")
    axes.patch.set_hatch("///")
    axes.patch.set_edgecolor("0.8")
    image = axes.imshow(table, cmap="viridis", aspect="equal")
    axes.set_xticks(range(len(columns.names)), [*map(_short, columns.names)], rotation=60, ha="right")
    axes.set_yticks(range(len(rows.names)), [*map(_short, rows.names)])
    if not isnan(table).all():
        axes.figure.colorbar(image, ax=axes, shrink=0.8, label=unit)
    if max(table.shape) > WRITTEN_CELLS:
        return
    for row, column in argwhere(~isnan(table)).tolist():
        red, green, blue, _ = image.cmap(image.norm(table[row, column]))
        colour = "white" if 0.3 * red + 0.6 * green + 0.1 * blue < 0.5 else "black"
        axes.text(column, row, f"{table[row, column]:.2g}", ha="center", va="center", color=colour)
