"""Drawings as SVG text, so that a report needs no plotting package."""

from collections.abc import Sequence
from html import escape

Matrix = Sequence[Sequence[float]]

INK, PALE = "#1a1a1a", "#d0d0d0"
_CELL = 62
_EDGE = 58


def heat_map(
    mean: Matrix, std: Matrix | None, *, names: Sequence[str], framed: Sequence[int], dotted: Sequence[int]
) -> str:
    """A matrix, source by row and target by column: its means, dark where far, with the spread below if there is one.

    Args:
        names: the data set of each row, which are the columns' too; a line parts one data set from the next.
        framed, dotted: for each column the row that has a frame around it, and one that has a dotted one.
    """
    greatest = max(max(row) for row in mean) or 1.0
    count = len(mean)
    side = _EDGE + _CELL * count
    parts = []
    for source, row in enumerate(mean):
        for target, value in enumerate(row):
            spread = None if std is None else std[source][target]
            parts += _cell(_EDGE + _CELL * target, _EDGE + _CELL * source, value, spread, greatest)
    for number in range(count):
        middle = _EDGE + _CELL * (number + 0.5)
        parts += [text(middle, _EDGE - 8, str(number)), text(_EDGE - 14, middle + 5, str(number))]
    for first, last, name in _runs(names):
        middle = _EDGE + _CELL * (first + last + 1) / 2
        parts.append(text(middle, 18, f"to {name}", size=12))
        parts.append(text(18, middle, f"from {name}", size=12, turned=True))
        if first:
            at = _EDGE + _CELL * first
            parts += [line(at, _EDGE, at, side, width=3, ink="#fff"), line(_EDGE, at, side, at, width=3, ink="#fff")]
    for target, (nearest, other) in enumerate(zip(framed, dotted, strict=True)):
        parts.append(_around(target, nearest, "#d55e00", ""))
        parts += [_around(target, other, INK, "3 3")] if other != nearest else []
    return svg(side + 8, side + 8, parts)


def _cell(x: float, y: float, value: float, spread: float | None, greatest: float) -> list[str]:
    light = round(97 - 55 * value / greatest)
    ink = "#fff" if light < 52 else "#000"
    below = [] if spread is None else [text(x + _CELL / 2, y + _CELL / 2 + 17, f"± {spread:.2f}", size=11, ink=ink)]
    return [
        f'<rect x="{x}" y="{y}" width="{_CELL}" height="{_CELL}" fill="hsl(215,60%,{light}%)"/>',
        text(x + _CELL / 2, y + _CELL / 2, f"{value:.2f}", ink=ink),
        *below,
    ]


def _around(column: int, row: int, ink: str, dashes: str) -> str:
    x, y = _EDGE + _CELL * column + 2, _EDGE + _CELL * row + 2
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    box = f'x="{x}" y="{y}" width="{_CELL - 4}" height="{_CELL - 4}"'
    return f'<rect {box} fill="none" stroke="{ink}" stroke-width="3"{dashed}/>'


def _runs(names: Sequence[str]) -> list[tuple[int, int, str]]:
    """[first, last, name] of equal names in a row."""
    starts = [index for index, name in enumerate(names) if index == 0 or names[index - 1] != name]
    ends = [*(start - 1 for start in starts[1:]), len(names) - 1]
    return [(start, end, names[start]) for start, end in zip(starts, ends, strict=True)]


def text(
    x: float, y: float, content: str, *, size: int = 14, ink: str = INK, anchor: str = "middle", turned: bool = False
) -> str:
    """A line of text whose anchor is at a point; `turned` reads upwards."""
    turn = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if turned else ""
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{ink}" text-anchor="{anchor}"{turn}'
    return f"<text {place}>{escape(content)}</text>"


def line(x1: float, y1: float, x2: float, y2: float, *, width: float = 1, ink: str = INK, dashes: str = "") -> str:
    """A straight line."""
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{ink}" stroke-width="{width}"{dashed}/>'


def svg(width: float, height: float, parts: Sequence[str]) -> str:
    """The drawing of these parts on a white ground of its own, so that it reads on a dark page too."""
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="#fff"/>', *parts, "</svg>", ""])
