"""Draws the cell of an architecture as SVG, for the API and the client."""

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

# The drawing, in user units.
_STEP = 200
_MARGIN = 60
_RADIUS = 22
_MIDDLE = 210
_BELOW = 130
# Height of an edge's arc for each node that it passes.
_SWING = 75


def cell_drawing(genotype: Mapping[str, Any]) -> str:
    """The cell as SVG: nodes from left to right, each edge with its primitive.

    It uses the colour of the surrounding text, which is black in a standalone file.
    """
    last = last_node(genotype)
    width, height = 2 * _MARGIN + last * _STEP, _MIDDLE + _BELOW
    edges = "".join(_edge(*edge) for edge in genotype["edges"])
    nodes = "".join(_node(id, last) for id in range(last + 1))
    description = "; ".join(f"{start} to {end}: {primitive}" for start, end, primitive in genotype["edges"])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'role="img" font-family="sans-serif" font-size="14" text-anchor="middle" fill="currentColor">'
        f"<title>Cell: {escape(description)}</title>"
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="10" refY="5" markerWidth="8" markerHeight="8" '
        'orient="auto"><path d="M0 0L10 5L0 10z" fill="currentColor"/></marker></defs>'
        f'<g fill="none" stroke="currentColor" stroke-width="1.5">{nodes}</g>{edges}</svg>\n'
    )


def last_node(genotype: Mapping[str, Any]) -> int:
    """The id of the output node."""
    return max((int(end) for _, end, _ in genotype["edges"]), default=0)


def role_of(id: int, last: int) -> Any:
    """The role of a node of a cell: `input`, `inner` or `output`."""
    return "input" if id == 0 else "output" if id == last else "inner"


def _node(id: int, last: int) -> str:
    x = _MARGIN + id * _STEP
    role = role_of(id, last)
    name = str(id) if role == "inner" else "in" if role == "input" else "out"
    label = f'<text x="{x}" y="{_MIDDLE + 5}" fill="currentColor" stroke="none">{name}</text>'
    return f'<circle cx="{x}" cy="{_MIDDLE}" r="{_RADIUS}"/>{label}'


def _edge(start: int, end: int, primitive: str) -> str:
    """A straight line to the next node, an arc to a later one: above from an even node, below from an odd one."""
    from_x, to_x = _MARGIN + start * _STEP, _MARGIN + end * _STEP
    middle_x = (from_x + to_x) // 2
    passed = end - start - 1
    if passed == 0:
        path, label_y = f"M{from_x + _RADIUS} {_MIDDLE}H{to_x - _RADIUS}", _MIDDLE - 8
    else:
        side = 1 if start % 2 else -1
        rim, swing = _MIDDLE + side * _RADIUS, side * _SWING * passed
        # A quadratic curve reaches half the height of its control point.
        path, label_y = (
            f"M{from_x} {rim}Q{middle_x} {rim + 2 * swing} {to_x} {rim}",
            rim + swing + (18 if side > 0 else -8),
        )
    return (
        f'<path d="{path}" fill="none" stroke="currentColor" stroke-width="1.5" marker-end="url(#tip)"/>'
        f'<text x="{middle_x}" y="{label_y}">{escape(primitive)}</text>'
    )
