"""The reports of a search: scores, records of its iterations, its outcome and its events. Needs no torch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from ldnas.space.genotype import Genotype


@dataclass(frozen=True)
class ScoredGenotype:
    """A candidate with its scores on validation images.

    Attributes:
        validation_accuracy: fraction of validation images classified right, in [0, 1].
        validation_balanced_accuracy: mean over the classes of the recall, in [0, 1].
        epochs: passes over the training images that its weights had had by then, those of a supernet included.
    """

    genotype: Genotype
    validation_accuracy: float
    validation_balanced_accuracy: float
    epochs: int

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The score written by `to_json`."""
        return cls(
            Genotype.from_json(value["genotype"]),
            value["validation_accuracy"],
            value["validation_balanced_accuracy"],
            value["epochs"],
        )

    def to_json(self) -> dict[str, Any]:
        """The score as a JSON value."""
        return {
            "genotype": self.genotype.to_json(),
            "validation_accuracy": self.validation_accuracy,
            "validation_balanced_accuracy": self.validation_balanced_accuracy,
            "epochs": self.epochs,
        }


@dataclass(frozen=True)
class IterationRecord:
    """The record of one iteration.

    Attributes:
        iteration: its number, from 0.
        genotypes: its candidates.
        alphas: softmax(α) at its end, one weight per candidate, in [0, 1]; empty where a strategy has none.
        rounds: rounds run.
        incumbent: the best genotype after it.
        new_incumbent: whether that is another one than before.
        edge_weights: softmax(α) of every edge over the space's primitives, [6][P], where a strategy mixes primitives
            on the edges of one supernet; empty elsewhere.
    """

    iteration: int
    genotypes: tuple[Genotype, ...]
    alphas: tuple[float, ...]
    rounds: int
    incumbent: Genotype
    new_incumbent: bool
    edge_weights: tuple[tuple[float, ...], ...] = ()

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The record written by `to_json`."""
        return cls(
            value["iteration"],
            tuple(Genotype.from_json(genotype) for genotype in value["genotypes"]),
            tuple(value["alphas"]),
            value["rounds"],
            Genotype.from_json(value["incumbent"]),
            value["new_incumbent"],
            tuple(tuple(weights) for weights in value["edge_weights"]),
        )

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON value."""
        return {
            "iteration": self.iteration,
            "genotypes": [genotype.to_json() for genotype in self.genotypes],
            "alphas": list(self.alphas),
            "rounds": self.rounds,
            "incumbent": self.incumbent.to_json(),
            "new_incumbent": self.new_incumbent,
            "edge_weights": [list(weights) for weights in self.edge_weights],
        }


@dataclass(frozen=True)
class SearchOutcome:
    """The result of a search.

    Attributes:
        best: the genotype chosen.
        scored: every genotype that was scored, once each, with its latest score.
        iterations: iterations run.
        history: one record per iteration.
    """

    best: Genotype
    scored: tuple[ScoredGenotype, ...]
    iterations: int
    history: tuple[IterationRecord, ...]


@dataclass(frozen=True)
class SearchEvent:
    """A progress report, sent as the search proceeds.

    Attributes:
        kind: "candidates" when an iteration has drawn its candidates (before they train; after the supernet has
            trained where all share its weights), "round" after each of its rounds, "iteration" at its end.
        iteration: number of the iteration, from 0.
        round: number of the round, from 0; None where the event is about the iteration.
        genotypes: the iteration's candidates (those still in the race, in a search that drops some).
        alphas: softmax(α), one weight per candidate, in [0, 1]; empty where a strategy has none.
        validation_accuracies: one per candidate, in [0, 1]; empty before the first round.
        incumbent: the best genotype so far, None before the first iteration's end.
        edge_weights: as in `IterationRecord`.
    """

    kind: Literal["candidates", "round", "iteration"]
    iteration: int
    round: int | None
    genotypes: tuple[Genotype, ...]
    alphas: tuple[float, ...]
    validation_accuracies: tuple[float, ...]
    incumbent: Genotype | None
    edge_weights: tuple[tuple[float, ...], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The event as a JSON value."""
        return {
            "kind": self.kind,
            "iteration": self.iteration,
            "round": self.round,
            "genotypes": [genotype.to_json() for genotype in self.genotypes],
            "alphas": list(self.alphas),
            "validation_accuracies": list(self.validation_accuracies),
            "incumbent": None if self.incumbent is None else self.incumbent.to_json(),
            "edge_weights": [list(weights) for weights in self.edge_weights],
        }


def ranked(scored: Iterable[ScoredGenotype]) -> tuple[ScoredGenotype, ...]:
    """Best first: more epochs, then validation accuracy, then balanced validation accuracy, then order.

    Epochs come first because accuracies after different training do not compare, and because a search that
    drops candidates early trains the better ones longer.
    """
    return tuple(
        sorted(
            scored,
            key=lambda score: (-score.epochs, -score.validation_accuracy, -score.validation_balanced_accuracy),
        )
    )
