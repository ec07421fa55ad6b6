"""The found network compared with searches of the same seconds without the memory of tasks."""

from service.figures.figure import Figure
from service.figures.interval_dots import Dot, Line, dots_data, dots_layout, draw_dots
from service.schemas.answer import Control, ControlArm

ARMS = {
    "full_space": "same search, full space",
    "random": "random cells",
    "resnet18": "ResNet-18",
}
"""The name of each other way."""

_AXIS = "found network minus this way, on validation images"
_SAME = Line("no difference", 0.0)


def control(document: Control) -> Figure:
    """Draws the difference to each way with its interval; right of zero, the found network is better."""
    arms: list[tuple[str, ControlArm]] = [(name, getattr(document, key)) for key, name in ARMS.items()]
    dots = [
        Dot(name, 100 * arm.difference, 100 * arm.interval[0], 100 * arm.interval[1], arm.verdict or "")
        for name, arm in arms
        if arm.difference is not None and arm.interval is not None
    ]
    axis = f"{_AXIS}, percentage points"
    found = document.found.mean
    return Figure(
        title="Compared with other ways to spend the time",
        summary=_summary(dots),
        data=dots_data(dots, "+.1f"),
        layout=dots_layout(dots, axis, [_SAME], "+"),
        columns=("way", "mean", "found_mean", "difference", "interval_low", "interval_high", "verdict"),
        rows=[
            (name, arm.mean, found, arm.difference, *(arm.interval or (None, None)), arm.verdict) for name, arm in arms
        ],
        draw=lambda axes: draw_dots(axes, dots, axis, [_SAME]),
        inches=(6.4, 2.6),
    )


def _summary(dots: list[Dot]) -> str:
    if not dots:
        return "Nothing is compared yet."
    differences = "; ".join(f"{dot.name} {dot.value:+.1f}" for dot in dots)
    return f"The found network is better by these percentage points: {differences}. Bars are 90 % intervals."
