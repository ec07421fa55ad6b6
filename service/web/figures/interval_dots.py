"""A dot with its interval for each of some things, one below the other, beside lines that they are read against."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GREY = "#808894"
"""Stands out from both themes' backgrounds."""
_LONGEST_NAME = 24


@dataclass(frozen=True)
class Dot:
    """One thing.

    Attributes:
        name: what stands beside it.
        value: where the dot is.
        low: where its interval begins, None without one.
        high: where it ends.
        told: what is said of it beside name and value.
        href: the page that a click leads to.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    told: str = ""
    href: str | None = None


@dataclass(frozen=True)
class Line:
    """A value that the dots are read against."""

    name: str
    value: float


def dots_data(dots: Sequence[Dot], form: str = ".3g") -> list[Mapping[str, Any]]:
    """Plotly's traces, the first dot at the top; `form` is how values are written."""
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "x": [dot.value for dot in dots],
            "y": list(range(len(dots))),
            "error_x": {
                "type": "data",
                "symmetric": False,
                "array": [_beyond(dot.value, dot.high) for dot in dots],
                "arrayminus": [_beyond(-dot.value, None if dot.low is None else -dot.low) for dot in dots],
                "thickness": 2,
                "width": 5,
            },
            "marker": {"size": 10},
            "text": [plain(dot.name) for dot in dots],
            "customdata": [{"href": dot.href, "told": _told(dot, form)} for dot in dots],
            "hovertemplate": f"%{{text}}: %{{x:{form}}}%{{customdata.told}}<extra></extra>",
            "showlegend": False,
        }
    ]


def dots_layout(
    dots: Sequence[Dot], axis: str, lines: Sequence[Line] = (), form: str | None = None
) -> Mapping[str, Any]:
    """Plotly's layout; `axis` says what is measured, `form` how its ticks are written."""
    return {
        "xaxis": {"title": {"text": axis}, "tickformat": form or "", "rangemode": _rangemode(dots)},
        "yaxis": {
            "tickvals": list(range(len(dots))),
            "ticktext": [plain(short(dot.name)) for dot in dots],
            "range": [len(dots) - 0.5, -0.5],
            "showgrid": False,
            "zeroline": False,
        },
        "margin": {"t": 16 + 18 * len(lines), "r": 16, "b": 48, "l": 60},
        "shapes": [
            {
                "type": "line",
                "x0": line.value,
                "x1": line.value,
                "y0": 0,
                "y1": 1,
                "yref": "paper",
                "line": {"color": GREY, "width": 2, "dash": "dash" if place % 2 else "dot"},
            }
            for place, line in enumerate(lines)
        ],
        "annotations": [
            {
                "x": line.value,
                "y": 1,
                "yref": "paper",
                "yanchor": "bottom",
                "yshift": 18 * (len(lines) - 1 - place),
                "xanchor": "auto",
                "text": line.name,
                "showarrow": False,
            }
            for place, line in enumerate(lines)
        ],
    }


def draw_dots(axes: "Axes", dots: Sequence[Dot], axis: str, lines: Sequence[Line] = ()) -> None:
    """The same on matplotlib's axes."""
    for place, dot in enumerate(dots):
        spread = [
            [_beyond(-dot.value, None if dot.low is None else -dot.low) or 0],
            [_beyond(dot.value, dot.high) or 0],
        ]
        axes.errorbar([dot.value], [place], xerr=spread, fmt="o", color="C0", capsize=3)
    for place, line in enumerate(lines):
        style = "--" if place % 2 else ":"
        axes.axvline(line.value, color=GREY, linestyle=style, label=line.name)
    if lines:
        axes.legend(fontsize="small")
    axes.set_yticks(range(len(dots)), [short(dot.name) for dot in dots])
    axes.set_ylim(max(1, len(dots)) - 0.5, -0.5)
    axes.set_xlabel(axis)


def short(name: str) -> str:
    """A name that leaves room for the drawing."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def plain(text: str) -> str:
    """Text that Plotly takes for text, whatever tags it seems to hold."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _beyond(value: float, end: float | None) -> float | None:
    """How far the interval reaches beyond the dot; a folded interval may end before it."""
    return None if end is None else max(0.0, end - value)


def _rangemode(dots: Sequence[Dot]) -> str:
    """What cannot be negative is not given room to be so, though the names of lines would take it."""
    return "normal" if any(min(dot.value, dot.low or 0) < 0 for dot in dots) else "nonnegative"


def _told(dot: Dot, form: str) -> str:
    interval = "" if dot.low is None or dot.high is None else f"<br>{dot.low:{form}} to {dot.high:{form}}"
    return interval + (f"<br>{dot.told}" if dot.told else "")
