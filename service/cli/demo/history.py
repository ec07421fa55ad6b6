"""The state of a running job, collected from its events and its polled status."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from service.client.display.answer import verdict_sentence
from service.client.display.formats import genotype_in_short, spread
from service.client.events import ENDED, Event
from service.client.submission import Status
from service.figures.job_events import CycleEvent, DistanceEvent, NetworkEvent, SearchEvent

# Maximum lines for a training, whatever its number of epochs.
EPOCH_LINES = 4


@dataclass(eq=False)
class JobHistory:
    """The known state of one job; `update` takes a polled status, `apply` takes an event.

    `ranking` is the verdict of a recommendation, and all distances with their intervals and probabilities; empty until
    the verdict is known. `cycles` has the last cycle of each network in a race.
    """

    label: str
    about: str
    is_target: bool = False
    state: str = "queued"
    stage: str | None = None
    fraction: float = 0.0
    message: str = ""
    eta_seconds: float | None = None
    started: float = field(default_factory=time.monotonic)
    seconds: float | None = None
    accuracies: list[float] = field(default_factory=list)
    distances: dict[str, DistanceEvent] = field(default_factory=dict)
    ranking: dict[str, Any] = field(default_factory=dict)
    search: SearchEvent | None = None
    cycles: dict[str, CycleEvent] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether the job has ended."""
        return self.state in ENDED

    def update(self, status: Status) -> str | None:
        """Records a polled status; returns its news as one line, or None."""
        progress = status.get("progress") or {}
        self._enter(status["state"])
        self.stage = status.get("stage") or self.stage
        self.message = progress.get("message") or ""
        self.fraction = max(self.fraction, progress.get("fraction") or 0.0)
        self.eta_seconds = progress.get("eta_seconds")
        if self.ranking or status.get("verdict") is None:
            return None
        self.ranking = {key: status.get(key) for key in ("verdict", "closest", "tied", "distances")}
        return verdict_sentence(self.ranking)

    def apply(self, event: Event) -> str | None:
        """Records an event; returns its description as one line, or None for minor events."""
        handler = getattr(self, f"_on_{event.kind}", None)
        return handler(event.data) if handler else None

    def _enter(self, state: str) -> None:
        # Polls and events arrive independently: an old event may follow the poll that reported the end.
        if self.ended or state == self.state:
            return
        self.state = state
        if state == "running":
            self.started = time.monotonic()
        if self.ended:
            self.seconds = time.monotonic() - self.started

    def _on_state(self, data: Mapping[str, Any]) -> str:
        self._enter(data["state"])
        reason = data.get("reason")
        return f"{data['state']} ({reason})" if reason else str(data["state"])

    def _on_stage(self, data: Mapping[str, Any]) -> str:
        self.stage = data["stage"]
        return f"stage {self.stage}"

    def _on_waiting(self, data: Mapping[str, Any]) -> str:
        return "waiting for " + ", ".join(map(str, data.get("baselines") or ()))

    def _on_network(self, data: Mapping[str, Any]) -> str:
        network = NetworkEvent.of(data)
        accuracy = network.balanced_validation_accuracy
        self.accuracies.append(accuracy)
        missed = "" if network.approximation else ", below 1-ε"
        number = f"network {network.repetition + 1} of {network.repetitions}"
        return f"{number}: balanced validation accuracy {accuracy:.3f}{missed}"

    def _on_distance(self, data: Mapping[str, Any]) -> str:
        distance = DistanceEvent.of(data)
        # A new dict, not a changed one: a live view may be reading the old one in its own thread.
        self.distances = {**self.distances, distance.name: distance}
        return f"distance from {distance.name}: {spread(distance.mean, distance.std)}"

    def _on_candidates(self, data: Mapping[str, Any]) -> str:
        # The weights of candidates that have not trained yet are equal, and are not shown.
        self.search = search = replace(SearchEvent.of(data), alphas=())
        return f"search, {search.place}: {len(search.genotypes)} candidates"

    def _on_round(self, data: Mapping[str, Any]) -> str:
        self.search = search = SearchEvent.of(data)
        if search.alphas:
            return f"search, {search.place}: weights {_numbers(search.alphas)}"
        return f"search, {search.place}: validation accuracies {_numbers(search.validation_accuracies)}"

    def _on_iteration(self, data: Mapping[str, Any]) -> str:
        before = self.search.incumbent if self.search else None
        self.search = search = SearchEvent.of(data)
        change = "same incumbent" if search.incumbent == before else "a new incumbent"
        cell = f" {genotype_in_short(search.incumbent)}" if search.incumbent else ""
        return f"search, {search.place} ends: {change}{cell}"

    def _on_cycle(self, data: Mapping[str, Any]) -> str:
        cycle = CycleEvent.of(data)
        self.cycles = {**self.cycles, cycle.candidate: cycle}
        trained = f"after {cycle.epochs} epochs" if cycle.epochs else "with a fitted head"
        scores = f"scores {cycle.score:.3f} ± {cycle.standard_error:.3f}"
        return f"race, round {cycle.rung + 1}: {cycle.candidate} {scores} {trained}"

    def _on_epoch(self, data: Mapping[str, Any]) -> str | None:
        epoch, epochs = data["epoch"], data["epochs"]
        step = max(1, -(-epochs // EPOCH_LINES))
        if epoch % step and epoch != epochs:
            return None
        accuracy = data.get("validation_accuracy")
        return f"epoch {epoch} of {epochs}" + (f", validation accuracy {accuracy:.3f}" if accuracy is not None else "")


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.2f}" for value in values)
