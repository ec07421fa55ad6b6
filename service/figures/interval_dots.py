"""Dots with intervals, one below the other, compared with reference lines."""

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
    """One item.

    Attributes:
        name: the label of its row.
        value: the position of the dot.
        low: the lower end of its interval; None without one.
        high: the upper end of its interval; None without one.
        note: a text shown with name and value on hover.
        href: the page that a click opens.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    note: str = ""
    href: str | None = None


@dataclass(frozen=True)
class Line:
    """A reference value that the dots are compared with."""

    name: str
    value: float


def dots_data(dots: Sequence[Dot], form: str = ".3g") -> list[Mapping[str, Any]]:
    """Builds Plotly's traces, the first dot at the top; `form` is the format of the values."""
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
            "customdata": [{"href": dot.href, "note": _hover_note(dot, form)} for dot in dots],
            "hovertemplate": f"%{{text}}: %{{x:{form}}}%{{customdata.note}}<extra></extra>",
            "showlegend": False,
        }
    ]


def dots_layout(
    dots: Sequence[Dot], axis: str, lines: Sequence[Line] = (), form: str | None = None
) -> Mapping[str, Any]:
    """Builds Plotly's layout; `axis` is the title of the axis, `form` the format of its ticks."""
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
    """Draws the dots on matplotlib's axes."""
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
    """Shortens a name to leave room for the drawing."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def plain(text: str) -> str:
    """Escapes text, so that Plotly reads no tags in it."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _beyond(value: float, end: float | None) -> float | None:
    """Returns the length of the interval beyond the dot; a folded interval may end before it."""
    return None if end is None else max(0.0, end - value)


def _rangemode(dots: Sequence[Dot]) -> str:
    """Omits the negative part of the axis if no value is negative, although the names of lines would extend into it."""
    return "normal" if any(min(dot.value, dot.low or 0) < 0 for dot in dots) else "nonnegative"


def _hover_note(dot: Dot, form: str) -> str:
    interval = "" if dot.low is None or dot.high is None else f"<br>{dot.low:{form}} to {dot.high:{form}}"
    return interval + (f"<br>{dot.note}" if dot.note else "")
