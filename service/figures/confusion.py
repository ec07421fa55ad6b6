"""The confusion matrix of the test images."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from service.figures.figure import Figure
from service.figures.interval_dots import Dot, dots_data, dots_layout, draw_dots, plain, short
from service.schemas.evaluation import Evaluation

if TYPE_CHECKING:
    from matplotlib.axes import Axes


MOST_CLASSES = 50
"""With more classes the squares are too small to read, and the figure shows the worst pairs instead."""
WORST_PAIRS = 25
_WRITTEN_CLASSES = 15


def confusion(evaluation: Evaluation) -> Figure:
    """Draws shares of each true class as a heat map; with many classes, only the worst pairs."""
    return _matrix(evaluation) if len(evaluation.classes) <= MOST_CLASSES else _pairs(evaluation)


def _matrix(evaluation: Evaluation) -> Figure:
    names, counts = evaluation.classes, evaluation.confusion
    shares = [[count / max(1, sum(row)) for count in row] for row in counts]
    ticks = {"tickvals": list(range(len(names))), "ticktext": [plain(short(name)) for name in names], "showgrid": False}
    data = [
        {
            "type": "heatmap",
            "z": shares,
            "zmin": 0,
            "zmax": 1,
            "colorscale": "Cividis",
            "text": [[count or "" for count in row] for row in counts],
            "texttemplate": "%{text}" if len(names) <= _WRITTEN_CLASSES else "",
            "customdata": [
                [plain(f"{true} taken for {other}: {count:,} images") for other, count in zip(names, row, strict=True)]
                for true, row in zip(names, counts, strict=True)
            ],
            "hovertemplate": "%{customdata}, %{z:.1%}<extra></extra>",
            "showscale": len(names) > _WRITTEN_CLASSES,
            "colorbar": {"tickformat": ".0%", "thickness": 12},
        }
    ]
    return Figure(
        title="Confusion matrix",
        summary=_summary(evaluation),
        data=data,
        layout={
            "xaxis": {"title": {"text": "taken for"}, **ticks},
            "yaxis": {"title": {"text": "is"}, "autorange": "reversed", **ticks},
        },
        columns=("true", "predicted", "images"),
        rows=_rows(evaluation),
        draw=lambda axes: _draw_matrix(axes, names, counts, shares),
        inches=(max(4.5, 2 + 0.4 * len(names)), max(4.0, 1.5 + 0.4 * len(names))),
    )


def _pairs(evaluation: Evaluation) -> Figure:
    worst = worst_pairs(evaluation)
    names = [f"{short(true)} as {short(other)}" for true, other, _ in worst]
    counts = [count for *_, count in worst]
    places = list(range(len(worst)))
    return Figure(
        title="Most frequent confusions",
        summary=_summary(evaluation),
        data=[
            {
                "type": "bar",
                "orientation": "h",
                "x": counts,
                "y": places,
                "text": [plain(name) for name in names],
                "textposition": "none",
                "hovertemplate": "%{text}: %{x} images<extra></extra>",
            }
        ],
        layout={
            "xaxis": {"title": {"text": "test images"}},
            "yaxis": {"tickvals": places, "ticktext": [plain(name) for name in names], "autorange": "reversed"},
        },
        columns=("true", "predicted", "images"),
        rows=_rows(evaluation),
        draw=lambda axes: _draw_pairs(axes, names, counts),
        inches=(6.4, 1.2 + 0.25 * len(worst)),
    )


def worst_pairs(evaluation: Evaluation) -> list[tuple[str, str, int]]:
    """Returns the pairs of a true and another predicted class with the most images, most images first."""
    pairs = [row for row in _rows(evaluation) if row[0] != row[1] and row[2]]
    return sorted(pairs, key=lambda pair: -pair[2])[:WORST_PAIRS]


def _rows(evaluation: Evaluation) -> list[tuple[str, str, int]]:
    """Lists all pairs of classes; with many classes, only the pairs that occur."""
    names = evaluation.classes
    every = len(names) <= MOST_CLASSES
    return [
        (names[true], names[other], count)
        for true, row in enumerate(evaluation.confusion)
        for other, count in enumerate(row)
        if count or every
    ]


def _summary(evaluation: Evaluation) -> str:
    if not evaluation.wrong:
        return f"All {evaluation.images:,} test images are classified correctly."
    true, other, count = worst_pairs(evaluation)[0]
    images = "image" if count == 1 else "images"
    return (
        f"{evaluation.wrong:,} of {evaluation.images:,} test images are wrong; most often {true} is taken for {other} "
        f"({count:,} {images})."
    )


def _draw_matrix(
    axes: "Axes", names: Sequence[str], counts: Sequence[Sequence[int]], shares: list[list[float]]
) -> None:
    image: Any = axes.imshow(shares, cmap="cividis", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), [short(name) for name in names], rotation=60, ha="right")
    axes.set_yticks(range(len(names)), [short(name) for name in names])
    axes.set_xlabel("taken for")
    axes.set_ylabel("is")
    axes.figure.colorbar(image, ax=axes, shrink=0.8, label="share of the class")
    if len(names) > _WRITTEN_CLASSES:
        return
    for row, numbers in enumerate(counts):
        for column, count in enumerate(numbers):
            colour = "black" if shares[row][column] > 0.5 else "white"
            axes.text(column, row, str(count or ""), ha="center", va="center", color=colour)


def _draw_pairs(axes: "Axes", names: list[str], counts: list[int]) -> None:
    axes.barh(range(len(names)), counts)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("test images")


MOST_RECALLS = 50
"""Most classes in the drawing, weakest first; the table has all of them."""

_RECALL_AXIS = "recall on test images, %"


def recalls(evaluation: Evaluation) -> Figure:
    """Draws the recall of each class with its interval, the weakest at the top."""
    known = sorted(
        (one for one in evaluation.recall if one.recall is not None), key=lambda one: (one.recall, -one.images)
    )
    dots = []
    for one in known[:MOST_RECALLS]:
        assert one.recall is not None
        assert one.interval is not None
        low, high = one.interval
        dots.append(Dot(one.name, 100 * one.recall, 100 * low, 100 * high, f"{one.images:,} images"))
    return Figure(
        title="Recall of each class",
        summary=_recall_summary(dots, len(known)),
        data=dots_data(dots, ".1f"),
        layout=dots_layout(dots, _RECALL_AXIS),
        columns=("class", "images", "recall", "interval_low", "interval_high"),
        rows=[(one.name, one.images, one.recall, *(one.interval or (None, None))) for one in evaluation.recall],
        draw=lambda axes: draw_dots(axes, dots, _RECALL_AXIS),
        inches=(6.4, 1.2 + 0.28 * len(dots)),
    )


def _recall_summary(dots: list[Dot], classes: int) -> str:
    if not dots:
        return "No class has test images."
    cut = f" The weakest {MOST_RECALLS} of {classes} are drawn." if classes > MOST_RECALLS else ""
    return f"The weakest class is {dots[0].name}, with a recall of {dots[0].value:.1f} %. Bars are 95 % intervals.{cut}"
