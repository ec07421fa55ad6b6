"""The best cell after each iteration of the search."""

from typing import TYPE_CHECKING

from service.figures.figure import Figure
from service.figures.search_history import Incumbent, SearchHistory, in_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def incumbents(history: SearchHistory) -> Figure:
    """Draws the incumbent's validation accuracy after each iteration, with a larger mark for a new incumbent."""
    best_by_iteration = [history.incumbents[number] for number in sorted(history.incumbents)]
    names = [history.name(each.cell) for each in best_by_iteration]
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "x": [each.iteration + 1 for each in best_by_iteration],
            "y": [each.accuracy for each in best_by_iteration],
            "line": {"shape": "hv"},
            "marker": {
                "size": [13 if each.is_new else 7 for each in best_by_iteration],
                "symbol": ["star" if each.is_new else "circle" for each in best_by_iteration],
            },
            "text": [
                f"{name}{' (new)' if each.is_new else ''}" for name, each in zip(names, best_by_iteration, strict=True)
            ],
            "hovertemplate": "iteration %{x}: %{text}, %{y:.1%}<extra></extra>",
            "showlegend": False,
        }
    ]
    return Figure(
        title="The best cell after each iteration",
        summary=_summary(best_by_iteration, names),
        data=data,
        layout={
            "xaxis": {"title": {"text": "iteration"}, "dtick": 1 if len(best_by_iteration) <= 20 else None},
            "yaxis": {
                "title": {"text": "validation accuracy"},
                "tickformat": ".0%",
                "range": _range(best_by_iteration),
            },
        },
        columns=("iteration", "incumbent", "cell", "validation_accuracy", "new"),
        rows=[
            (each.iteration + 1, name, in_words(each.cell), each.accuracy, each.is_new)
            for name, each in zip(names, best_by_iteration, strict=True)
        ],
        draw=lambda axes: _draw(axes, best_by_iteration),
    )


def _summary(history: list[Incumbent], names: list[str]) -> str:
    if not history:
        return "No iteration has ended yet."
    if len(history) == 1:
        return f"After the first iteration {names[0]} leads."
    changes = sum(each.is_new for each in history[1:])
    times = {0: "did not change", 1: "changed once", 2: "changed twice"}.get(changes, f"changed {changes} times")
    return f"After {len(history)} iterations {names[-1]} leads; the lead {times}. A star marks a new leader."


def _range(history: list[Incumbent]) -> list[float] | None:
    """Limits the axis to possible accuracies, also around a single value."""
    known = [each.accuracy for each in history if each.accuracy is not None]
    return [max(0.0, min(known) - 0.05), min(1.02, max(known) + 0.05)] if known else None


def _draw(axes: "Axes", history: list[Incumbent]) -> None:
    known = [each for each in history if each.accuracy is not None]
    x, y = [each.iteration + 1 for each in known], [100 * (each.accuracy or 0) for each in known]
    axes.step(x, y, where="post", color="C0")
    for new, mark, size in ((True, "*", 12), (False, "o", 5)):
        at = [place for place, each in enumerate(known) if each.is_new is new]
        label = "new" if new else "as before"
        axes.plot([x[i] for i in at], [y[i] for i in at], mark, color="C0", markersize=size, label=label)
    axes.locator_params(axis="x", integer=True)
    axes.set_xlabel("iteration")
    axes.set_ylabel("validation accuracy, %")
    if known:
        axes.legend(fontsize="small")
