"""The networks of a race: score on validation images against milliseconds for one image."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from ldnas.networks.design import Kind
from ldnas.race.front import on_front
from service.figures.figure import Figure
from service.figures.interval_dots import GREY, plain
from service.figures.marks import Marks
from service.schemas.answer import Alternative

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FRONT = "front of speed and score"
_X, _Y = "milliseconds for one image", "score on validation images"
_MARGIN = 0.2
"""The room at both ends of the axis of milliseconds, in powers of ten."""


def race(alternatives: Sequence[Alternative]) -> Figure:
    """Draws score against milliseconds: a star for the winner, which is the first, and marks of each kind.

    A line connects the networks for which no other one is at least as fast and as good. The `on_front` of an
    alternative counts its size too, so a network on that front may lie off the line.
    """
    marks = _marks(alternatives)
    line = _line(alternatives)
    x, y = [one.latency_ms for one in line], [one.validation for one in line]
    return Figure(
        title="Score against milliseconds",
        summary=_summary(alternatives),
        data=[
            {
                "type": "scatter",
                "mode": "lines",
                "name": _FRONT,
                "x": x,
                "y": y,
                "line": {"color": GREY, "dash": "dash"},
                "hoverinfo": "skip",
            },
            *(each.trace("%{text}<br>%{y:.1%} in %{x:.3g} ms") for each in marks),
        ],
        layout={
            "xaxis": {"title": {"text": _X}, "type": "log", "dtick": "D2", "tickformat": "~g"} | _range(alternatives),
            "yaxis": {"title": {"text": _Y}, "tickformat": ".0%"},
        },
        columns=(
            *("name", "kind", "started_from", "validation", "standard_error", "parameters", "macs", "latency_ms"),
            *("epochs", "seconds", "on_front", "winner"),
        ),
        rows=[
            (
                *(one.name, one.kind, one.started_from, one.validation, one.standard_error, one.parameters, one.macs),
                *(one.latency_ms, one.epochs, one.seconds, one.on_front, place == 0),
            )
            for place, one in enumerate(alternatives)
        ],
        draw=lambda axes: _draw(axes, marks, x, y),
    )


def _marks(alternatives: Sequence[Alternative]) -> list[Marks]:
    winners, others = alternatives[:1], alternatives[1:]
    kinds = [(kind.value, [one for one in others if one.kind == kind]) for kind in Kind]
    return [
        *(_marks_of("winner", "star", winners) for _ in winners),
        *(_marks_of(kind, "circle", found) for kind, found in kinds if found),
    ]


def _marks_of(name: str, symbol: Literal["circle", "star"], found: Sequence[Alternative]) -> Marks:
    return Marks(
        name,
        symbol,
        [one.latency_ms for one in found],
        [one.validation for one in found],
        [f"{plain(one.name)}<br>{one.parameters:,} parameters" for one in found],
        [one.standard_error for one in found],
    )


def _line(alternatives: Sequence[Alternative]) -> list[Alternative]:
    """The networks on the front of score and milliseconds, the fastest first."""
    kept = on_front([(-one.validation, one.latency_ms) for one in alternatives])
    found = [one for one, is_kept in zip(alternatives, kept, strict=True) if is_kept]
    return sorted(found, key=lambda one: one.latency_ms)


def _range(alternatives: Sequence[Alternative]) -> dict[str, list[float]]:
    places = [math.log10(one.latency_ms) for one in alternatives]
    return {"range": [min(places) - _MARGIN, max(places) + _MARGIN]} if places else {}


def _summary(alternatives: Sequence[Alternative]) -> str:
    if not alternatives:
        return "The race has not ended yet."
    winner, *others = alternatives
    said = f"{winner.name} wins: {100 * winner.validation:.1f} % in {winner.latency_ms:.3g} ms."
    if others:
        fastest = min(others, key=lambda one: one.latency_ms)
        its = f"{100 * fastest.validation:.1f} % in {fastest.latency_ms:.3g} ms"
        said += f" The fastest other one, {fastest.name}, has {its}."
    return f"{said} Bars are one standard error."


def _draw(axes: "Axes", marks: Sequence[Marks], x: Sequence[float], y: Sequence[float]) -> None:
    axes.plot(x, [100 * score for score in y], "--", color=GREY, label=_FRONT)
    for each in marks:
        each.draw(axes)
    axes.set_xscale("log")
    axes.set_xlabel(_X)
    axes.set_ylabel(f"{_Y}, %")
    axes.legend(fontsize="small")
