"""Marks of a scatter plot whose vertical axis is a score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZES = {"circle": (9, "o", 6), "star": (16, "*", 14)}
"""The size for Plotly, and the mark and the size for matplotlib, of each symbol."""


@dataclass(frozen=True)
class Marks:
    """Marks of one symbol.

    Attributes:
        name: in the legend.
        symbol: its shape.
        x: the horizontal positions.
        scores: the vertical positions, in [0, 1].
        texts: shown on hover, with HTML's line breaks.
        errors: the standard error of each score; None draws no bars.
    """

    name: str
    symbol: Literal["circle", "star"]
    x: Sequence[float]
    scores: Sequence[float]
    texts: Sequence[str]
    errors: Sequence[float] | None = None

    def trace(self, hover: str) -> Mapping[str, Any]:
        """Builds Plotly's trace; `hover` is its template of position and text."""
        bars = {} if self.errors is None else {"error_y": {"type": "data", "array": self.errors, "thickness": 1.5}}
        return {
            "type": "scatter",
            "mode": "markers",
            "name": self.name,
            "x": self.x,
            "y": self.scores,
            "text": self.texts,
            "hovertemplate": f"{hover}<extra></extra>",
            "marker": {"symbol": self.symbol, "size": _SIZES[self.symbol][0]},
            **bars,
        }

    def draw(self, axes: "Axes") -> None:
        """Draws them by matplotlib, the scores in percent."""
        _, mark, size = _SIZES[self.symbol]
        errors = None if self.errors is None else [100 * error for error in self.errors]
        scores = [100 * score for score in self.scores]
        axes.errorbar(self.x, scores, yerr=errors, fmt=mark, markersize=size, capsize=2, label=self.name)
