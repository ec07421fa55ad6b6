"""The distances from the known tasks to the new one."""

from collections.abc import Mapping
from typing import Any

from service.figures.figure import Figure
from service.figures.interval_dots import Dot, Line, dots_data, dots_layout, draw_dots
from service.figures.job_events import DistanceEvent
from service.schemas.answer import Recommendation

MOST = 30
"""Most known tasks in the drawing, nearest first; the table has all of them."""


def nearest(document: Recommendation, arrived: Mapping[str, DistanceEvent]) -> Figure:
    """Draws the distances with their intervals, nearest first; during the measurement, those that have `arrived`.

    These are drawn with their standard deviation over repetitions, since an interval needs all distances.
    """
    if document.distances is None:
        so_far = sorted(arrived.values(), key=lambda one: one.mean)
        dots = [
            Dot(one.name, one.mean, one.mean - one.std, one.mean + one.std, href=f"/tasks/{one.task_id}")
            if one.std is not None
            else Dot(one.name, one.mean, href=f"/tasks/{one.task_id}")
            for one in so_far
        ]
        rows: list[tuple[Any, ...]] = [(one.task_id, one.name, one.mean, one.std, *[None] * 4) for one in so_far]
        measure, spread = (so_far[0].measure if so_far else ""), "one standard deviation over repetitions"
    else:
        measured = [distance for distance in document.distances if distance.mean is not None]
        dots = []
        for distance in measured:
            low, high = distance.interval or (None, None)
            sure = distance.probability_closest
            note = "" if sure is None else f"closest with a probability of {100 * sure:.0f} %"
            assert distance.mean is not None
            dots.append(Dot(distance.name, distance.mean, low, high, note, f"/tasks/{distance.task_id}"))
        rows = [
            (d.task_id, d.name, d.mean, d.std, *(d.interval or (None, None)), d.probability_closest, d.comparable)
            for d in document.distances
        ]
        measure, spread = (measured[0].measure if measured else ""), "a 90 % interval"
    lines = _lines(document)
    shown, axis = dots[:MOST], f"distance ({measure.replace('_', ' ')})"
    return Figure(
        title="Distance from the known tasks",
        summary=_summary(dots, lines, spread),
        data=dots_data(shown),
        layout=dots_layout(shown, axis, lines),
        columns=(
            "task_id",
            "name",
            "mean",
            "std",
            "interval_low",
            "interval_high",
            "probability_closest",
            "comparable",
        ),
        rows=rows,
        draw=lambda axes: draw_dots(axes, shown, axis, lines),
        inches=(6.4, 1.6 + 0.28 * len(shown)),
    )


def _lines(document: Recommendation) -> list[Line]:
    scale = document.scale
    known = (("two trainings of this task", scale.self_distance), ("untrained networks", scale.untrained_distance))
    return [Line(name, value) for name, value in known if value is not None]


def _summary(dots: list[Dot], lines: list[Line], spread: str) -> str:
    if not dots:
        return "No distance is measured."
    cut = f" The nearest {MOST} of {len(dots)} are drawn." if len(dots) > MOST else ""
    against = "".join(f" The line “{line.name}” is at {line.value:.3g}." for line in lines)
    has_bars = any(dot.low is not None for dot in dots)
    bars = f" Bars are {spread}." if has_bars else " One training each gives no estimate of the uncertainty."
    return f"{dots[0].name} is nearest, at {dots[0].value:.3g}.{bars}{against}{cut}"
