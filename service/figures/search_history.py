"""The history of a recommendation's job so far, read from its events."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from service.figures.job_events import CycleEvent, DistanceEvent, NetworkEvent, SearchEvent

Edges = tuple[tuple[int, int, str], ...]

KINDS = ("stage", "network", "distance", "candidates", "round", "iteration", "cycle")
"""The kinds of events that it reads."""


@dataclass(frozen=True)
class Round:
    """One round of the search.

    Attributes:
        iteration: the number of its iteration, from 0.
        number: its number within the iteration, from 0.
        cells: the candidates of the round.
        alphas: the weight of each cell, in [0, 1]; empty if the strategy has none.
        accuracies: of each cell on the validation images, in [0, 1].
    """

    iteration: int
    number: int
    cells: tuple[Edges, ...]
    alphas: tuple[float, ...]
    accuracies: tuple[float, ...]


@dataclass(frozen=True)
class Incumbent:
    """The best cell after an iteration, its accuracy on validation images, and whether the cell is new."""

    iteration: int
    cell: Edges
    accuracy: float | None
    is_new: bool


@dataclass
class SearchHistory:
    """The results so far. If an attempt repeats work, its events repeat too, and the latest one counts.

    Attributes:
        distances: by the baseline's id.
        networks: by repetition.
        rounds: by iteration and round.
        numbers: the cells, numbered from 1 in the order in which they first appeared; their names use the numbers.
        accuracies: the latest accuracy of every cell.
        cycles: of a race, by the candidate, its round and whether it was only prepared.
        latest: the number of the last event.
    """

    distances: dict[str, DistanceEvent] = field(default_factory=dict)
    networks: dict[int, NetworkEvent] = field(default_factory=dict)
    rounds: dict[tuple[int, int], Round] = field(default_factory=dict)
    incumbents: dict[int, Incumbent] = field(default_factory=dict)
    numbers: dict[Edges, int] = field(default_factory=dict)
    accuracies: dict[Edges, float] = field(default_factory=dict)
    cycles: dict[tuple[str, int, bool], CycleEvent] = field(default_factory=dict)
    latest: int = 0
    _stage: str = ""

    def name(self, cell: Edges) -> str:
        """The name of a cell."""
        return f"cell {self.numbers[cell]}"

    def add(self, number: int, kind: str, data: Mapping[str, Any]) -> None:
        """Adds an event."""
        self.latest = number
        if kind == "stage":
            self._stage = data["stage"]
        elif kind == "distance":
            distance = DistanceEvent.of(data)
            self.distances[distance.task_id] = distance
        elif kind == "network":
            network = NetworkEvent.of(data)
            self.networks[network.repetition] = network
        elif kind == "cycle":
            cycle = CycleEvent.of(data)
            self.cycles[cycle.candidate, cycle.rung, cycle.epochs == 0] = cycle
        # A control searches too, without the memory of tasks; its search is not part of this history.
        elif self._stage != "control" and kind in ("candidates", "round", "iteration"):
            self._search(kind, SearchEvent.of(data))

    def _search(self, kind: str, event: SearchEvent) -> None:
        cells = tuple(edges_of(genotype) for genotype in event.genotypes)
        for cell in cells:
            self.numbers.setdefault(cell, len(self.numbers) + 1)
        if event.round is not None:
            latest = Round(event.iteration, event.round, cells, tuple(event.alphas), tuple(event.validation_accuracies))
            self.rounds[latest.iteration, latest.number] = latest
            self.accuracies |= dict(zip(cells, latest.accuracies, strict=False))
        if kind == "iteration" and event.incumbent is not None:
            cell = edges_of(event.incumbent)
            self.numbers.setdefault(cell, len(self.numbers) + 1)
            before = self.incumbents.get(event.iteration - 1)
            is_new = before is None or before.cell != cell
            self.incumbents[event.iteration] = Incumbent(event.iteration, cell, self.accuracies.get(cell), is_new)


def search_history_of(events: Iterable[Any]) -> SearchHistory:
    """Builds the history from all events of a job, oldest first."""
    history = SearchHistory()
    for event in events:
        history.add(event.id, event.kind, event.data)
    return history


def edges_of(genotype: Mapping[str, Any]) -> Edges:
    """The cell as a hashable value."""
    return tuple((start, end, primitive) for start, end, primitive in genotype["edges"])


def in_words(cell: Edges) -> str:
    """The cell's edges as text."""
    return "; ".join(f"{start}→{end} {primitive}" for start, end, primitive in cell)
