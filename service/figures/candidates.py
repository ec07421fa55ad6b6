"""The cells that the search tried: validation accuracy against parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ldnas.space.complexity import parameters
from ldnas.space.genotype import Genotype
from ldnas.space.skeleton import Skeleton
from service.figures.figure import Figure
from service.figures.interval_dots import GREY
from service.figures.marks import Marks
from service.figures.search_history import Edges, in_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 2000


@dataclass(frozen=True)
class Candidate:
    """A scored cell: its name, its edges, its accuracy on validation images, and its network's parameters."""

    name: str
    cell: Edges
    accuracy: float
    parameters: int


def candidates_of(
    accuracies: Mapping[Edges, float], names: Mapping[Edges, str], skeleton: Mapping[str, Any]
) -> list[Candidate]:
    """Adds the size of each cell's network in this skeleton."""
    placed = Skeleton.from_json(skeleton)
    return [
        Candidate(names[cell], cell, accuracy, parameters(Genotype.from_json({"edges": [*map(list, cell)]}), placed))
        for cell, accuracy in list(accuracies.items())[:MOST]
    ]


def candidates(found: Sequence[Candidate], chosen: Edges | None, limit: int | None) -> Figure:
    """Draws accuracy against parameters, with a star for the chosen cell and a line for `limit` on the parameters."""
    others = [one for one in found if one.cell != chosen]
    stars = [one for one in found if one.cell == chosen]
    marks = (_marks(others, "tried", "circle"), _marks(stars, "chosen", "star"))
    return Figure(
        title="Tried cells",
        summary=_summary(found, stars),
        data=[each.trace("%{y:.1%} with %{x:,} parameters<br>%{text}") for each in marks],
        layout={
            "xaxis": {"title": {"text": "parameters of the network"}, "rangemode": "tozero"},
            "yaxis": {"title": {"text": "validation accuracy in the search"}, "tickformat": ".0%"},
            "shapes": []
            if limit is None
            else [
                {
                    "type": "line",
                    "x0": limit,
                    "x1": limit,
                    "y0": 0,
                    "y1": 1,
                    "yref": "paper",
                    "line": {"color": GREY, "dash": "dash"},
                }
            ],
        },
        columns=("name", "cell", "parameters", "validation_accuracy", "chosen"),
        rows=[(one.name, in_words(one.cell), one.parameters, one.accuracy, one.cell == chosen) for one in found],
        draw=lambda axes: _draw(axes, marks, limit),
    )


def _marks(found: Sequence[Candidate], name: str, symbol: Literal["circle", "star"]) -> Marks:
    return Marks(
        name,
        symbol,
        [one.parameters for one in found],
        [one.accuracy for one in found],
        [f"{one.name}<br>{in_words(one.cell).replace('; ', '<br>')}" for one in found],
    )


def _summary(found: Sequence[Candidate], stars: Sequence[Candidate]) -> str:
    if not found:
        return "No cell has been scored yet."
    low, high = min(one.parameters for one in found), max(one.parameters for one in found)
    said = f"{len(found)} cells with {low:,} to {high:,} parameters."
    if stars:
        said += f" {stars[0].name.capitalize()} was chosen: {stars[0].accuracy:.1%} with {stars[0].parameters:,}."
    return said


def _draw(axes: "Axes", marks: Sequence[Marks], limit: int | None) -> None:
    for each in marks:
        each.draw(axes)
    if limit is not None:
        axes.axvline(limit, color=GREY, linestyle="--", label="at most")
    axes.set_xlabel("parameters of the network")
    axes.set_ylabel("validation accuracy in the search, %")
    axes.legend(fontsize="small")
