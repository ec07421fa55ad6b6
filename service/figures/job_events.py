"""Reads the events of a job that carry results: networks, distances, and the steps of a search or a race."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self


@dataclass(frozen=True)
class _Event:
    """Each field is named as the worker names its key."""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """Reads the event; keys of a later release are left out."""
        return cls(**{each.name: data[each.name] for each in fields(cls) if each.name in data})


@dataclass(frozen=True)
class NetworkEvent(_Event):
    """One of a task's networks is trained; `approximation`: its balanced accuracy is at least 1-ε."""

    repetition: int
    repetitions: int
    balanced_validation_accuracy: float
    approximation: bool = True


@dataclass(frozen=True)
class DistanceEvent(_Event):
    """The distance from a baseline is measured; `std` is over repetitions, None with one of them."""

    task_id: str
    name: str
    measure: str
    mean: float
    std: float | None = None


@dataclass(frozen=True)
class CycleEvent(_Event):
    """A candidate of a race has trained for one cycle.

    Attributes:
        candidate: its name.
        candidate_kind: `cell`, `plain` or `pretrained`.
        rung: the number of the round, from 0.
        epochs: passes over the images in the cycle; 0 if the candidate was only prepared.
        seconds: of the cycle.
        score: on validation images, after the cycle.
        standard_error: of the candidate's best score so far.
    """

    candidate: str
    candidate_kind: str
    rung: int
    epochs: int | float
    seconds: float
    score: float
    standard_error: float


@dataclass(frozen=True)
class SearchEvent(_Event):
    """A step of a search: an iteration has its candidates, a round has ended, or the iteration has.

    Attributes:
        iteration: its number, from 0.
        round: the number of the round within the iteration, from 0; None if the event concerns the iteration.
        genotypes: the candidates.
        alphas: the weight of each candidate, in [0, 1]; empty if the strategy has none.
        validation_accuracies: of each candidate, in [0, 1]; empty before the first round.
        incumbent: the best genotype so far; None before the end of the first iteration.
    """

    iteration: int
    round: int | None
    genotypes: Sequence[Mapping[str, Any]]
    alphas: Sequence[float]
    validation_accuracies: Sequence[float]
    incumbent: Mapping[str, Any] | None

    @property
    def place(self) -> str:
        """Iteration and round in words, counted from 1."""
        return f"iteration {self.iteration + 1}" + ("" if self.round is None else f", round {self.round + 1}")
