"""Drawings as SVG text, so that a report needs no plotting package."""

from collections.abc import Mapping, Sequence
from html import escape

Points = Sequence[Sequence[float]]

_CELL = 62
_COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#17becf", "#7f7f7f")
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _LEGEND = 640, 320, 60, 40, 170


def heat_map(mean: Points, std: Points) -> str:
    """A matrix, source by row and target by column: its means with the spread below, dark where far."""
    greatest = max(max(row) for row in mean) or 1.0
    side = _CELL * (len(mean) + 1)
    parts = [_text(_CELL * 0.5, _CELL * 0.5, "from ↓ to →", size=11)]
    for number in range(len(mean)):
        parts.append(_text(_CELL * (number + 1.5), _CELL * 0.5, str(number)))
        parts.append(_text(_CELL * 0.5, _CELL * (number + 1.5), str(number)))
    for source, row in enumerate(mean):
        for target, value in enumerate(row):
            x, y = _CELL * (target + 1), _CELL * (source + 1)
            light = round(97 - 55 * value / greatest)
            parts.append(f'<rect x="{x}" y="{y}" width="{_CELL}" height="{_CELL}" fill="hsl(215,60%,{light}%)"/>')
            ink = "#fff" if light < 60 else "#000"
            parts.append(_text(x + _CELL / 2, y + _CELL / 2 - 6, f"{value:.2f}", ink=ink))
            parts.append(_text(x + _CELL / 2, y + _CELL / 2 + 12, f"± {std[source][target]:.2f}", size=10, ink=ink))
    return _svg(side, side, parts)


def curves(lines: Mapping[str, Sequence[Points]]) -> str:
    """Steps of [seconds, accuracy] for each name and seed: seconds to the right, accuracy upwards."""
    points = [point for seeds in lines.values() for seed in seeds for point in seed]
    last = max(point[0] for point in points) or 1.0
    low, high = min(point[1] for point in points), max(point[1] for point in points)
    span = (high - low) or 1.0

    def place(seconds: float, accuracy: float) -> tuple[float, float]:
        across = _LEFT + (_WIDTH - _LEFT) * seconds / last
        return across, 10 + (_HEIGHT - _BOTTOM - 10) * (1 - (accuracy - low) / span)

    parts = [_text(_LEFT / 2, place(0, value)[1] + 4, f"{value:.2f}", size=11) for value in (low, high)]
    parts += [_text(place(last, low)[0] - 20, _HEIGHT - 12, f"{last:.0f} s", size=11), _text(_LEFT, _HEIGHT - 12, "0")]
    for number, (name, seeds) in enumerate(lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        for seed in seeds:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in _steps([place(*point) for point in seed]))
            parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-opacity="0.7"/>')
        parts.append(_text(_WIDTH + _LEGEND / 2, 24 + 18 * number, name, size=12, ink=colour))
    return _svg(_WIDTH + _LEGEND, _HEIGHT, parts)


def _steps(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """A height holds until the next point."""
    stepped: list[tuple[float, float]] = []
    for x, y in points:
        if stepped:
            stepped.append((x, stepped[-1][1]))
        stepped.append((x, y))
    return stepped


def _text(x: float, y: float, text: str, *, size: int = 14, ink: str = "#000") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{ink}" text-anchor="middle">{escape(text)}</text>'


def _svg(width: float, height: float, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif">'
    return "\n".join([head, f'<rect width="{width}" height="{height}" fill="#fff"/>', *parts, "</svg>", ""])
