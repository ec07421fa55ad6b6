"""The details of one distance: its repetitions, and the share of each layer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from service.figures.figure import Figure
from service.schemas.distances import DistanceDetail

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LAYERS = 20


def repetitions_figure(detail: DistanceDetail) -> Figure:
    """Draws a dot for each repetition, with the sampling error of its images if the measure has one."""
    places = [item.repetition for item in detail.repetitions]
    values = [item.value for item in detail.repetitions]
    errors = [item.standard_error or 0.0 for item in detail.repetitions]
    spread = "" if detail.std is None else f" ± {detail.std:.3g}"
    mean = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": detail.mean, "y1": detail.mean}
    return Figure(
        title=f"{detail.source.name} to {detail.target.name}, by {detail.measure}",
        summary=f"{len(values)} repetitions; their mean is {detail.mean:.4g}{spread} (the dotted line).",
        data=[
            {
                "type": "scatter",
                "mode": "markers",
                "marker": {"size": 11},
                "x": places,
                "y": values,
                "error_y": {"type": "data", "array": errors, "thickness": 1.5},
                "hovertemplate": "repetition %{x}: %{y:.4g}<extra></extra>",
            }
        ],
        layout={
            "xaxis": {"title": {"text": "repetition"}, "dtick": 1},
            "yaxis": {"title": {"text": "distance"}, "rangemode": "tozero"},
            "shapes": [mean | {"line": {"dash": "dot", "width": 1.5, "color": "#888888"}}],
        },
        columns=("repetition", "source_network", "target_network", "value", "signed", "standard_error"),
        rows=[
            (item.repetition, item.source_network, item.target_network, item.value, item.signed, item.standard_error)
            for item in detail.repetitions
        ],
        draw=lambda axes: _draw_repetitions(axes, places, values, errors, detail.mean),
    )


def layers_figure(detail: DistanceDetail) -> Figure:
    """Draws the share of each layer, largest amounts first."""
    contributions = detail.contributions or ()
    shown = contributions[:MOST_LAYERS]
    names, values = [item.layer for item in shown], [item.value for item in shown]
    return Figure(
        title=f"Layers of {detail.source.name} to {detail.target.name}, by {detail.measure}",
        summary=_layers_summary(shown, len(contributions), sum(item.value for item in contributions)),
        data=[
            {
                "type": "bar",
                "orientation": "h",
                "x": values,
                "y": names,
                "hovertemplate": "%{y}: %{x:.4g}<extra></extra>",
            }
        ],
        layout={
            "xaxis": {"title": {"text": "share of the distance"}},
            "yaxis": {"autorange": "reversed", "type": "category"},
            "height": 120 + 22 * len(shown),
        },
        columns=("layer", "value"),
        rows=[(item.layer, item.value) for item in contributions],
        draw=lambda axes: _draw_layers(axes, names, values),
        inches=(6.4, 1.5 + 0.22 * len(shown)),
    )


def _layers_summary(shown: Sequence[object], layers: int, total: float) -> str:
    if not layers:
        return "This measure is not a sum over layers."
    most = f"the {len(shown)} largest of {layers}" if layers > len(shown) else f"all {layers}"
    return f"The shares of {most} layers in the distance; all layers together: {total:.4g}."


def _draw_repetitions(
    axes: "Axes", places: Sequence[int], values: Sequence[float], errors: Sequence[float], mean: float
) -> None:
    axes.errorbar(places, values, yerr=errors, fmt="o")
    axes.axhline(mean, linestyle=":", color="0.5")
    axes.set_xticks(list(places))
    axes.set_xlabel("repetition")
    axes.set_ylabel("distance")


def _draw_layers(axes: "Axes", names: Sequence[str], values: Sequence[float]) -> None:
    axes.barh(range(len(names)), list(values))
    axes.set_yticks(range(len(names)), list(names))
    axes.invert_yaxis()
    axes.set_xlabel("share of the distance")
