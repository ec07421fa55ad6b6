"""The frame that strategies share: iterations, one after the other, each with a checkpoint to go on from."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from ldnas.digests import json_digest
from ldnas.errors import InvalidSearchError
from ldnas.search.base import SearchBudget, SearchProblem
from ldnas.search.results import IterationRecord, ScoredGenotype, SearchEvent, SearchOutcome
from ldnas.space.genotype import Genotype

Clock = Callable[[], float]
"""Seconds since some fixed moment, such as `time.monotonic`."""


def search_key(strategy: str, config: Mapping[str, Any], problem: SearchProblem, seed: int) -> str:
    """What a checkpoint belongs to: strategy, settings, space, skeleton and seed (not the budget, not the data)."""
    return json_digest(
        {
            "strategy": strategy,
            "config": dict(config),
            "primitives": list(problem.space.primitives),
            "skeleton": problem.skeleton.to_json(),
            "seed": seed,
        }
    )


@dataclass(frozen=True)
class SearchProgress:
    """All that a search knows between two iterations; weights are not among it, since every iteration starts fresh.

    Attributes:
        scored: every genotype sampled, in that order, with its latest score at the most epochs.
        history: the finished iterations.
        seconds: wall-clock time they took.
    """

    scored: tuple[ScoredGenotype, ...] = ()
    history: tuple[IterationRecord, ...] = ()
    seconds: float = 0.0

    @classmethod
    def from_state(cls, state: dict[str, Any], key: str) -> Self:
        """The progress written by `to_state`.

        Raises:
            InvalidSearchError: the state belongs to another search.
        """
        if state.get("key") != key:
            raise InvalidSearchError(
                "the state belongs to another search; go on with the settings, seed, space and skeleton it began with"
            )
        return cls(
            tuple(ScoredGenotype.from_json(score) for score in state["scored"]),
            tuple(IterationRecord.from_json(record) for record in state["history"]),
            state["seconds"],
        )

    def to_state(self, key: str) -> dict[str, Any]:
        """A JSON value to resume from."""
        return {
            "key": key,
            "scored": [score.to_json() for score in self.scored],
            "history": [record.to_json() for record in self.history],
            "seconds": self.seconds,
        }

    @property
    def incumbent(self) -> Genotype | None:
        """The best genotype so far."""
        return self.history[-1].incumbent if self.history else None

    @property
    def iterations_without_new_incumbent(self) -> int:
        """How many of the last iterations left the incumbent as it was."""
        changes = [record.iteration for record in self.history if record.new_incumbent]
        return len(self.history) - 1 - changes[-1] if changes else len(self.history)

    @property
    def seen(self) -> frozenset[Genotype]:
        """Every genotype sampled so far."""
        return frozenset(score.genotype for score in self.scored)

    def after(self, record: IterationRecord, scores: tuple[ScoredGenotype, ...], seconds: float) -> "SearchProgress":
        """The progress once this iteration is done; `seconds` is the time of the whole search by then."""
        latest = {score.genotype: score for score in self.scored}
        for score in scores:
            before = latest.get(score.genotype)
            if before is None or score.epochs >= before.epochs:
                latest[score.genotype] = score
        return SearchProgress(tuple(latest.values()), (*self.history, record), seconds)


@dataclass(frozen=True)
class Iteration:
    """What a strategy's iteration gives back: its record and a score for each of its candidates."""

    record: IterationRecord
    scores: tuple[ScoredGenotype, ...]


def run_iterations(
    iterate: Callable[[SearchProgress, Callable[[], bool]], Iteration],
    problem: SearchProblem,
    *,
    budget: SearchBudget,
    patience: int,
    key: str,
    state: dict[str, Any] | None,
    on_event: Callable[[SearchEvent], None],
    on_state: Callable[[dict[str, Any]], None],
    clock: Clock = time.monotonic,
) -> SearchOutcome:
    """Iterate until the budget, `patience` iterations without a new incumbent, or the exhaustion of the space.

    Args:
        iterate: runs one iteration, given the progress before it and a function that tells, between two rounds,
            whether the time is over.

    Raises:
        InvalidSearchError: `state` belongs to another search.
    """
    progress = SearchProgress() if state is None else SearchProgress.from_state(state, key)
    began = clock() - progress.seconds

    def expired() -> bool:
        return budget.seconds is not None and clock() - began >= budget.seconds

    while not _ended(progress, problem, budget, patience, clock() - began):
        iteration = iterate(progress, expired)
        progress = progress.after(iteration.record, iteration.scores, clock() - began)
        on_state(progress.to_state(key))
        on_event(_iteration_event(iteration))
    best = progress.history[-1].incumbent
    return SearchOutcome(best, progress.scored, len(progress.history), progress.history)


def _ended(
    progress: SearchProgress, problem: SearchProblem, budget: SearchBudget, patience: int, seconds: float
) -> bool:
    done = len(progress.history)
    if done == 0:
        return False
    if budget.iterations is not None and done >= budget.iterations:
        return True
    # One more iteration, as long as those before, must still fit.
    if budget.seconds is not None and seconds + progress.seconds / done > budget.seconds:
        return True
    return progress.iterations_without_new_incumbent >= patience or len(progress.scored) >= problem.space.size


def _iteration_event(iteration: Iteration) -> SearchEvent:
    record = iteration.record
    accuracies = tuple(score.validation_accuracy for score in iteration.scores)
    return SearchEvent(
        "iteration", record.iteration, None, record.genotypes, record.alphas, accuracies, record.incumbent
    )
