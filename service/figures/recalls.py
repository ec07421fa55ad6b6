"""The recall of each class."""

from service.figures.figure import Figure
from service.figures.interval_dots import Dot, dots_data, dots_layout, draw_dots
from service.schemas.evaluation import Evaluation

MOST = 50
"""Most classes in the drawing, weakest first; the table has all of them."""

_AXIS = "recall on test images, %"


def recalls(evaluation: Evaluation) -> Figure:
    """Draws the recall of each class with its interval, the weakest at the top."""
    known = sorted(
        (one for one in evaluation.recall if one.recall is not None), key=lambda one: (one.recall, -one.images)
    )
    dots = []
    for one in known[:MOST]:
        assert one.recall is not None
        assert one.interval is not None
        low, high = one.interval
        dots.append(Dot(one.name, 100 * one.recall, 100 * low, 100 * high, f"{one.images:,} images"))
    return Figure(
        title="Recall of each class",
        summary=_summary(dots, len(known)),
        data=dots_data(dots, ".1f"),
        layout=dots_layout(dots, _AXIS),
        columns=("class", "images", "recall", "interval_low", "interval_high"),
        rows=[(one.name, one.images, one.recall, *(one.interval or (None, None))) for one in evaluation.recall],
        draw=lambda axes: draw_dots(axes, dots, _AXIS),
        inches=(6.4, 1.2 + 0.28 * len(dots)),
    )


def _summary(dots: list[Dot], classes: int) -> str:
    if not dots:
        return "No class has test images."
    cut = f" The weakest {MOST} of {classes} are drawn." if classes > MOST else ""
    return f"The weakest class is {dots[0].name}, with a recall of {dots[0].value:.1f} %. Bars are 95 % intervals.{cut}"
