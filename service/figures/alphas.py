"""FUSE's weight of each candidate by round."""

from typing import TYPE_CHECKING, Any

from service.figures.figure import Figure
from service.figures.search_history import Round, SearchHistory, in_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROUNDS = 60
MOST_CANDIDATES = 6
"""Further candidates of an iteration are drawn as one."""


def alphas(history: SearchHistory) -> Figure:
    """Draws a column for each of the latest 60 rounds, divided among the iteration's candidates by softmax(α)."""
    weighed = [history.rounds[key] for key in sorted(history.rounds) if history.rounds[key].alphas]
    shown = weighed[-MOST_ROUNDS:]
    places = _places(weighed)
    count = min(MOST_CANDIDATES + 1, max((len(cells) for cells in places.values()), default=0))
    columns = [[_share(history, each, places[each.iteration], place) for each in shown] for place in range(count)]
    ticks = [
        [f"iteration {each.iteration + 1}" for each in shown],
        [str(each.number + 1) for each in shown],
    ]
    data = [
        {
            "type": "bar",
            "name": _name(place),
            "x": ticks,
            "y": [weight for weight, _ in column],
            "text": [text for _, text in column],
            "textposition": "none",
            "hovertemplate": "%{text}: α %{y:.2f}<extra></extra>",
        }
        for place, column in enumerate(columns)
    ]
    return Figure(
        title="FUSE’s weight of each candidate, by round",
        summary=_summary(history, weighed),
        data=data,
        layout={
            "barmode": "stack",
            "bargap": 0.15,
            "xaxis": {"title": {"text": "rounds of each iteration"}},
            "yaxis": {"title": {"text": "softmax(α)"}, "range": [0, 1]},
        },
        columns=("iteration", "round", "candidate", "cell", "alpha", "validation_accuracy"),
        rows=[row for each in weighed for row in _rows(history, each)],
        draw=lambda axes: _draw(axes, shown, columns),
    )


def _places(rounds: list[Round]) -> dict[int, list[Any]]:
    """Lists the candidates of each iteration in the order of its first round; some may drop out in later rounds."""
    places: dict[int, list[Any]] = {}
    for each in rounds:
        known = places.setdefault(each.iteration, [])
        known += [cell for cell in each.cells if cell not in known]
    return places


def _name(place: int) -> str:
    return "others" if place == MOST_CANDIDATES else f"{place + 1}{({0: 'st', 1: 'nd', 2: 'rd'}).get(place, 'th')}"


def _share(history: SearchHistory, each: Round, cells: list[Any], place: int) -> tuple[float, str]:
    """Returns the weight at this place of the column, and its hover text."""
    weights = dict(zip(each.cells, each.alphas, strict=False))
    if place == MOST_CANDIDATES:
        return sum(weights.get(cell, 0.0) for cell in cells[place:]), "others"
    if place >= len(cells):
        return 0.0, ""
    return weights.get(cells[place], 0.0), history.name(cells[place])


def _rows(history: SearchHistory, each: Round) -> list[tuple[Any, ...]]:
    accuracies = each.accuracies or (None,) * len(each.cells)
    return [
        (each.iteration + 1, each.number + 1, history.name(cell), in_words(cell), alpha, accuracy)
        for cell, alpha, accuracy in zip(each.cells, each.alphas, accuracies, strict=False)
    ]


def _summary(history: SearchHistory, rounds: list[Round]) -> str:
    if not rounds:
        return "The strategy weighs no candidates."
    last = rounds[-1]
    weight, cell = max(zip(last.alphas, last.cells, strict=False))
    cut = f" The latest {MOST_ROUNDS} are drawn." if len(rounds) > MOST_ROUNDS else ""
    return (
        f"After round {last.number + 1} of iteration {last.iteration + 1}, {history.name(cell)} leads with a weight of "
        f"{weight:.2f}. From the 2nd iteration on, the 1st candidate is the incumbent.{cut}"
    )


def _draw(axes: "Axes", shown: list[Round], columns: list[list[tuple[float, str]]]) -> None:
    # A gap between iterations, as wide as a column.
    at = [place + each.iteration - shown[0].iteration for place, each in enumerate(shown)]
    bottom = [0.0] * len(shown)
    for place, column in enumerate(columns):
        heights = [weight for weight, _ in column]
        axes.bar(at, heights, bottom=bottom, label=_name(place))
        bottom = [below + height for below, height in zip(bottom, heights, strict=True)]
    axes.set_xticks(at, [f"{each.iteration + 1}.{each.number + 1}" for each in shown], rotation=90, fontsize="small")
    axes.set_xlabel("iteration.round")
    axes.set_ylabel("softmax(α)")
    if shown:
        axes.figure.legend(loc="outside lower center", ncols=MOST_CANDIDATES + 1, fontsize="small")
