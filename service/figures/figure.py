"""The parts of every figure: data and layout for Plotly, a drawing by matplotlib, and the values as a table."""

import csv
import io
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic_core import to_json

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FigureFormat = Literal["json", "svg", "csv"]
FIGURE_MEDIA_TYPES = {"json": "application/json", "svg": "image/svg+xml", "csv": "text/csv"}

_one_drawing = threading.Lock()  # matplotlib's settings are those of the process


@dataclass(frozen=True)
class Figure:
    """One figure in all its formats.

    Attributes:
        title: the heading.
        summary: the content in a sentence or two, for readers who cannot see the figure.
        data: Plotly's traces. The page's theme sets all colours except those with a meaning.
        layout: Plotly's layout, without colours and fonts.
        columns: of the table.
        rows: the table, one row for each item drawn.
        draw: draws the figure on matplotlib's axes.
        inches: width and height of the file.
        font_size: in the file, in points.
    """

    title: str
    summary: str
    data: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any]
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    draw: "Callable[[Axes], None]"
    inches: tuple[float, float] = (6.4, 4.0)
    font_size: float = 9.0

    def plotly(self) -> bytes:
        """The JSON that `static/figures.js` draws."""
        return to_json(
            {"title": self.title, "summary": self.summary, "data": self.data, "layout": self.layout},
            inf_nan_mode="null",
        )

    def svg(self) -> bytes:
        """The SVG for papers and slides: text stays text, and equal figures give equal bytes."""
        # Imported only for a file, so that a process that serves JSON starts without matplotlib, a second sooner.
        import matplotlib
        from matplotlib.figure import Figure as Drawing

        drawn = io.BytesIO()
        with (
            _one_drawing,
            matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "ldnas", "text.parse_math": False}),
        ):
            matplotlib.rcParams["font.size"] = self.font_size
            drawing = Drawing(figsize=self.inches, layout="constrained")
            axes = drawing.add_subplot()
            axes.set_title(self.title)
            self.draw(axes)
            drawing.savefig(
                drawn,
                format="svg",
                metadata={"Date": None, "Creator": "ldnas", "Title": self.title, "Description": self.summary},
            )
        return drawn.getvalue()

    def csv(self) -> bytes:
        """The values as CSV, with a heading."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(self.rows)
        return text.getvalue().encode()


def rendered_figure(figure: Figure, format: FigureFormat) -> bytes:
    """Renders the figure in one of its formats."""
    return {"json": figure.plotly, "svg": figure.svg, "csv": figure.csv}[format]()
