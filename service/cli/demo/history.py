"""The state of a running job, collected from its events and its polled status."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from service.client.display.answer import verdict_sentence
from service.client.display.formats import genotype_in_short, spread
from service.client.events import ENDED, Event

# Maximum lines for a training, whatever its number of epochs.
EPOCH_LINES = 4


@dataclass(frozen=True)
class SearchView:
    """The state of a search: its candidates, and their weights (FUSE) or scores (random search) after a round."""

    iteration: int
    round: int | None = None
    candidates: tuple[dict[str, Any], ...] = ()
    alphas: tuple[float, ...] = ()
    accuracies: tuple[float, ...] = ()
    incumbent: dict[str, Any] | None = None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "SearchView":
        """The view for an event of the search."""
        return cls(
            iteration=data["iteration"],
            round=data.get("round"),
            candidates=tuple(data.get("genotypes") or ()),
            alphas=tuple(data.get("alphas") or ()),
            accuracies=tuple(data.get("validation_accuracies") or ()),
            incumbent=data.get("incumbent"),
        )


@dataclass(eq=False)
class JobHistory:
    """The known state of one job; `update` takes a polled status, `apply` takes an event.

    `ranking` is the verdict of a recommendation, and all distances with their intervals and probabilities; empty until
    the verdict is known.
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
    distances: dict[str, tuple[float, float | None]] = field(default_factory=dict)
    ranking: dict[str, Any] = field(default_factory=dict)
    search: "SearchView | None" = None

    @property
    def ended(self) -> bool:
        """Whether the job has ended."""
        return self.state in ENDED

    def update(self, status: Mapping[str, Any]) -> str | None:
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
        accuracy = data["balanced_validation_accuracy"]
        self.accuracies.append(accuracy)
        missed = "" if data.get("approximation", True) else ", below 1-ε"
        number = f"network {data.get('repetition', 0) + 1} of {data.get('repetitions', '?')}"
        return f"{number}: balanced validation accuracy {accuracy:.3f}{missed}"

    def _on_distance(self, data: Mapping[str, Any]) -> str:
        if data["mean"] is None:
            return f"distance from {data['name']}: not comparable"
        # A new dict, not a changed one: a live view may be reading the old one in its own thread.
        self.distances = {**self.distances, data["name"]: (data["mean"], data.get("std"))}
        return f"distance from {data['name']}: {spread(data['mean'], data.get('std'))}"

    def _on_candidates(self, data: Mapping[str, Any]) -> str:
        self.search = SearchView(
            data["iteration"], candidates=tuple(data["genotypes"]), incumbent=data.get("incumbent")
        )
        return f"search, iteration {self.search.iteration + 1}: {len(self.search.candidates)} candidates"

    def _on_round(self, data: Mapping[str, Any]) -> str:
        self.search = SearchView.of(data)
        at = f"search, iteration {self.search.iteration + 1}, round {data['round'] + 1}"
        if self.search.alphas:
            return f"{at}: weights {_numbers(self.search.alphas)}"
        return f"{at}: validation accuracies {_numbers(self.search.accuracies)}"

    def _on_iteration(self, data: Mapping[str, Any]) -> str:
        before = self.search.incumbent if self.search else None
        self.search = SearchView.of(data)
        incumbent = self.search.incumbent
        change = "same incumbent" if incumbent == before else "a new incumbent"
        cell = f" {genotype_in_short(incumbent)}" if incumbent else ""
        return f"search, iteration {self.search.iteration + 1} ends: {change}{cell}"

    def _on_epoch(self, data: Mapping[str, Any]) -> str | None:
        epoch, epochs = data["epoch"], data["epochs"]
        step = max(1, -(-epochs // EPOCH_LINES))
        if epoch % step and epoch != epochs:
            return None
        accuracy = data.get("validation_accuracy")
        return f"epoch {epoch} of {epochs}" + (f", validation accuracy {accuracy:.3f}" if accuracy is not None else "")


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.2f}" for value in values)
