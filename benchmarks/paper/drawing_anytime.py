"""The drawing of anytime curves: the searches' own scores by the seconds, and next to them the trained networks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.paper.anytime import Band, Points, band, marker_of
from benchmarks.paper.drawing import PALE, line, svg, text

_TOP, _BOTTOM, _HEIGHT = 34, 350, 396
_LEFT, _RIGHT = 64, 444
_KEYS, _FROM, _TO, _WIDTH = 474, 640, 880, 950
_ROOM = 0.05
_MOST_TICKS = 7


@dataclass(frozen=True)
class Style:
    """How one row looks in every drawing: a colour, dashes and the outline of its marker around (0, 0)."""

    ink: str
    dashes: str
    marker: tuple[tuple[float, float], ...]


def _polygon(corners: int, radius: float, turn: float) -> tuple[tuple[float, float], ...]:
    angles = [2 * math.pi * corner / corners + math.radians(turn) for corner in range(corners)]
    return tuple((radius * math.sin(angle), -radius * math.cos(angle)) for angle in angles)


_CIRCLE, _SQUARE, _DIAMOND = _polygon(16, 5, 0), _polygon(4, 6.4, 45), _polygon(4, 6.5, 0)
_UP, _DOWN, _HEXAGON = _polygon(3, 6.8, 0), _polygon(3, 6.8, 180), _polygon(6, 5.8, 0)

# The inks are those of Okabe and Ito, which people with any colour vision can distinguish; those of the rows without a
# search are greys, because these rows have no line that must be distinguished.
STYLES = (
    Style("#d55e00", "", _CIRCLE),
    Style("#0072b2", "8 3", _SQUARE),
    Style("#009e73", "2 2", _UP),
    Style("#e69f00", "8 3 2 3", _DIAMOND),
    Style("#000000", "12 4", _DOWN),
    Style("#56b4e9", "5 2", _HEXAGON),
    Style("#cc79a7", "4 4", _CIRCLE),
    Style("#3d3d3d", "", _SQUARE),
    Style("#6b6b6b", "", _UP),
    Style("#949494", "", _DIAMOND),
    Style("#b4b4b4", "", _DOWN),
)


@dataclass(frozen=True)
class Axis:
    """From values to places along one side of a panel."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (self.end - self.start) * (value - self.low) / (self.high - self.low)


def anytime(rows: Mapping[str, Sequence[Points]], styles: Mapping[str, Style]) -> str:
    """The drawing of curves by row and seed, whose last points are of another kind: those have a panel of their own."""
    lines = {name: one for name, seeds in rows.items() if (one := band([seed[:-1] for seed in seeds])).seconds}
    ends = {name: marker_of([seed[-1] for seed in seeds]) for name, seeds in rows.items()}
    parts = _searches(lines, styles) if lines else []
    parts += _trained(ends, styles)
    for number, name in enumerate(rows):
        parts += _key(name, styles[name], _row_height(number, len(rows)), has_line=name in lines)
    return svg(_WIDTH, _HEIGHT, parts)


def _searches(bands: Mapping[str, Band], styles: Mapping[str, Style]) -> list[str]:
    """Seconds from 0 to the right, scores upwards."""
    last = max(one.seconds[-1] for one in bands.values())
    across = Axis(0.0, last * (1 + _ROOM), _LEFT, _RIGHT)
    up = Axis(*_range(bands), _BOTTOM, _TOP)
    middle = (_LEFT + _RIGHT) / 2
    parts = [text(middle, 18, "best score so far of each search", size=13)]
    parts.append(text(16, (_TOP + _BOTTOM) / 2, "validation accuracy, %", size=13, turned=True))
    parts += _ticks_below(across, "device seconds of the search", factor=1)
    for height in ticks(100 * up.low, 100 * up.high):
        y = up(height / 100)
        parts += [line(_LEFT, y, _RIGHT, y, ink=PALE), text(_LEFT - 8, y + 4, f"{height:g}", size=12, anchor="end")]
    parts.append(line(_LEFT, _TOP, _LEFT, _BOTTOM))
    parts += [_area(one, across, up, styles[name]) for name, one in bands.items()]
    return parts + [_line(one, across, up, styles[name]) for name, one in bands.items()]


def _trained(ends: Mapping[str, Band], styles: Mapping[str, Style]) -> list[str]:
    """A row each: its accuracy to the right, and the seconds at which its network was ready."""
    across = Axis(*_range(ends), _FROM, _TO)
    parts = [
        text((_FROM + _TO) / 2, 18, "trained networks", size=13),
        text(_WIDTH - 8, 18, "ready at", size=13, anchor="end"),
    ]
    for height in ticks(100 * across.low, 100 * across.high):
        parts.append(line(across(height / 100), _TOP, across(height / 100), _BOTTOM, ink=PALE))
    parts += _ticks_below(across, "validation accuracy, %", factor=100)
    for number, (name, one) in enumerate(ends.items()):
        y = _row_height(number, len(ends))
        parts += _whisker(one, across, y, styles[name])
        parts.append(text(_WIDTH - 8, y + 4, f"{one.seconds[0]:.0f} s", size=13, anchor="end"))
    return parts


def _row_height(number: int, count: int) -> float:
    return _TOP + (_BOTTOM - _TOP) * (number + 0.5) / count


def _range(bands: Mapping[str, Band]) -> tuple[float, float]:
    low = min(min(one.least) for one in bands.values())
    high = max(max(one.greatest) for one in bands.values())
    room = _ROOM * (high - low) or 0.01
    return low - room, high + room


def _ticks_below(across: Axis, title: str, *, factor: float) -> list[str]:
    parts = [line(across.start, _BOTTOM, across.end, _BOTTOM)]
    for value in ticks(factor * across.low, factor * across.high):
        x = across(value / factor)
        parts += [line(x, _BOTTOM, x, _BOTTOM + 5), text(x, _BOTTOM + 19, f"{value:g}", size=12)]
    return [*parts, text((across.start + across.end) / 2, _BOTTOM + 40, title, size=13)]


def ticks(low: float, high: float) -> list[float]:
    """At most seven round numbers, 1, 2 or 5 times a power of ten apart, between two others."""
    rough = (high - low) / (_MOST_TICKS - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    numbers = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return [round(number * step, 9) for number in numbers]


def _steps(seconds: Sequence[float], heights: Sequence[float], across: Axis, up: Axis) -> list[tuple[float, float]]:
    """The corners of a line that holds each height until the next second."""
    corners: list[tuple[float, float]] = []
    for second, height in zip(seconds, heights, strict=True):
        x, y = across(second), up(height)
        corners += [(x, corners[-1][1]), (x, y)] if corners else [(x, y)]
    return corners


def _area(one: Band, across: Axis, up: Axis, style: Style) -> str:
    upper, lower = (_steps(one.seconds, heights, across, up) for heights in (one.greatest, one.least))
    return f'<polygon points="{_joined([*upper, *reversed(lower)])}" fill="{style.ink}" fill-opacity="0.16"/>'


def _line(one: Band, across: Axis, up: Axis, style: Style) -> str:
    dashed = f' stroke-dasharray="{style.dashes}"' if style.dashes else ""
    look = f'fill="none" stroke="{style.ink}" stroke-width="2"{dashed}'
    return f'<polyline points="{_joined(_steps(one.seconds, one.mean, across, up))}" {look}/>'


def _whisker(one: Band, across: Axis, y: float, style: Style) -> list[str]:
    low, middle, high = (across(values[0]) for values in (one.least, one.mean, one.greatest))
    caps = [line(x, y - 4, x, y + 4, ink=style.ink, width=1.5) for x in (low, high)]
    return [line(low, y, high, y, ink=style.ink, width=1.5), *caps, _marker(middle, y, style)]


def _marker(x: float, y: float, style: Style) -> str:
    outline = _joined([(x + across, y + down) for across, down in style.marker])
    return f'<polygon points="{outline}" fill="{style.ink}" stroke="#fff"/>'


def _key(name: str, style: Style, y: float, *, has_line: bool) -> list[str]:
    sample = [line(_KEYS, y, _KEYS + 34, y, width=2, ink=style.ink, dashes=style.dashes)] if has_line else []
    return [*sample, _marker(_KEYS + 17, y, style), text(_KEYS + 42, y + 4, name, size=13, anchor="start")]


def _joined(corners: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
