"""The story of a recommendation's job so far, as its events tell it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Edges = tuple[tuple[int, int, str], ...]

KINDS = ("stage", "network", "distance", "candidates", "round", "iteration")
"""The kinds of events that it is told by."""


@dataclass(frozen=True)
class Round:
    """One round of the search.

    Attributes:
        iteration: its iteration's number, from 0.
        number: its own within that, from 0.
        cells: those that raced in it.
        alphas: the weight of each, in [0, 1]; empty where the strategy has none.
        accuracies: of each on the validation images, in [0, 1].
    """

    iteration: int
    number: int
    cells: tuple[Edges, ...]
    alphas: tuple[float, ...]
    accuracies: tuple[float, ...]


@dataclass(frozen=True)
class Incumbent:
    """The best cell after an iteration, its accuracy on validation images, and whether it is another than before."""

    iteration: int
    cell: Edges
    accuracy: float | None
    is_new: bool


@dataclass
class Story:
    """What has happened; an attempt that did something again tells it again, and the latest telling counts.

    Attributes:
        distances: by the baseline's id: `name`, `mean`, `std`.
        networks: by repetition: `balanced_validation_accuracy`, `approximation`.
        rounds: by iteration and round.
        numbers: the cells by the order in which they first came up, from 1: what they are called by.
        accuracies: the latest one of every cell.
        latest: the number of the last event.
    """

    distances: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    networks: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    rounds: dict[tuple[int, int], Round] = field(default_factory=dict)
    incumbents: dict[int, Incumbent] = field(default_factory=dict)
    numbers: dict[Edges, int] = field(default_factory=dict)
    accuracies: dict[Edges, float] = field(default_factory=dict)
    latest: int = 0
    _stage: str = ""

    def name(self, cell: Edges) -> str:
        """What a cell is called."""
        return f"cell {self.numbers[cell]}"

    def add(self, number: int, kind: str, data: Mapping[str, Any]) -> None:
        """Goes on with an event."""
        self.latest = number
        if kind == "stage":
            self._stage = data["stage"]
        elif kind == "distance":
            self.distances[data["task_id"]] = data
        elif kind == "network":
            self.networks[data["repetition"]] = data
        # A control searches too, without the memory of tasks: that is another story.
        elif self._stage != "control" and kind in ("candidates", "round", "iteration"):
            self._search(kind, data)

    def _search(self, kind: str, data: Mapping[str, Any]) -> None:
        cells = tuple(edges_of(genotype) for genotype in data["genotypes"])
        for cell in cells:
            self.numbers.setdefault(cell, len(self.numbers) + 1)
        if kind == "round":
            told = Round(
                data["iteration"], data["round"], cells, tuple(data["alphas"]), tuple(data["validation_accuracies"])
            )
            self.rounds[told.iteration, told.number] = told
            self.accuracies |= dict(zip(cells, told.accuracies, strict=False))
        if kind == "iteration" and data["incumbent"] is not None:
            cell, iteration = edges_of(data["incumbent"]), data["iteration"]
            self.numbers.setdefault(cell, len(self.numbers) + 1)
            before = self.incumbents.get(iteration - 1)
            is_new = before is None or before.cell != cell
            self.incumbents[iteration] = Incumbent(iteration, cell, self.accuracies.get(cell), is_new)


def story_of(events: Iterable[Any]) -> Story:
    """The story that a job's events tell, from the first one on."""
    story = Story()
    for event in events:
        story.add(event.id, event.kind, event.data)
    return story


def edges_of(genotype: Mapping[str, Any]) -> Edges:
    """The cell as a value that can be looked up."""
    return tuple((start, end, primitive) for start, end, primitive in genotype["edges"])


def in_words(cell: Edges) -> str:
    """The cell's edges as text."""
    return "; ".join(f"{start}→{end} {primitive}" for start, end, primitive in cell)
