"""The loop that strategies share: iterations, one after the other, each with a checkpoint to resume from."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from ldnas.digests import json_digest
from ldnas.errors import InvalidSearchError
from ldnas.search.base import SearchBudget, SearchProblem, SearchRun
from ldnas.search.results import IterationRecord, ScoredGenotype, SearchEvent, SearchOutcome
from ldnas.space.genotype import Genotype


def search_key(strategy: str, config: Mapping[str, Any], problem: SearchProblem, seed: int) -> str:
    """The identity of the search that a checkpoint belongs to: strategy, settings, space, skeleton, constraints and
    seed.

    The limits in iterations and seconds, which may be raised, and the data are not part of it.

    Args:
        strategy: its name.
        config: its settings (`Strategy.settings`).
    """
    limited = problem.constraints.max_latency_ms is not None
    return json_digest(
        {
            "strategy": strategy,
            "config": dict(config),
            "primitives": list(problem.space.primitives),
            "skeleton": problem.skeleton.to_json(),
            "constraints": asdict(problem.constraints),
            "latency": problem.latency.to_json() if limited and problem.latency is not None else None,
            "seed": seed,
        }
    )


@dataclass(frozen=True)
class SearchProgress:
    """The state of a search between two iterations.

    Attributes:
        scored: every genotype sampled, in that order, with its latest score at the most epochs.
        history: the finished iterations.
        seconds: wall-clock time they took.
        carried: the rest of the state that the next iteration resumes from, as JSON: the weights of a supernet, its
            optimizers. None where every iteration starts fresh.
    """

    scored: tuple[ScoredGenotype, ...] = ()
    history: tuple[IterationRecord, ...] = ()
    seconds: float = 0.0
    carried: dict[str, Any] | None = None

    @classmethod
    def from_state(cls, state: dict[str, Any], key: str) -> Self:
        """The progress written by `to_state`.

        Raises:
            InvalidSearchError: the state belongs to another search, or another version of this program wrote it.
        """
        if state.get("key") != key:
            raise InvalidSearchError(
                "the state belongs to another search; resume with the settings, seed, space, skeleton and "
                "constraints it began with"
            )
        try:
            return cls(
                tuple(ScoredGenotype.from_json(score) for score in state["scored"]),
                tuple(IterationRecord.from_json(record) for record in state["history"]),
                state["seconds"],
                state["carried"],
            )
        except KeyError as missing:
            raise InvalidSearchError(f"the state lacks {missing}; another version of this program wrote it") from None

    def to_state(self, key: str) -> dict[str, Any]:
        """A JSON value to resume from."""
        return {
            "key": key,
            "scored": [score.to_json() for score in self.scored],
            "history": [record.to_json() for record in self.history],
            "seconds": self.seconds,
            "carried": self.carried,
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

    def after(self, iteration: "Iteration", seconds: float) -> "SearchProgress":
        """The progress once this iteration is done; `seconds` is the time of the whole search by then."""
        latest = {score.genotype: score for score in self.scored}
        for score in (*iteration.scores, *iteration.compared):
            before = latest.get(score.genotype)
            if before is None or score.epochs >= before.epochs:
                latest[score.genotype] = score
        history = (*self.history, iteration.record)
        return SearchProgress(tuple(latest.values()), history, seconds, iteration.carried)


@dataclass(frozen=True)
class Iteration:
    """The result of an iteration: its record, its candidates' scores, and the state that the next one resumes from.

    `compared` are further scores that it computed, of genotypes sampled in it or before.
    """

    record: IterationRecord
    scores: tuple[ScoredGenotype, ...]
    carried: dict[str, Any] | None = None
    compared: tuple[ScoredGenotype, ...] = ()


def run_iterations(
    iterate: Callable[[SearchProgress, Callable[[], bool]], Iteration | None],
    run: SearchRun,
    *,
    key: str,
    scores_last: bool,
    max_iterations: int | None = None,
) -> SearchOutcome:
    """Iterate until the budget, the schedule, or the exhaustion of the space.

    Args:
        iterate: runs one iteration, given the progress before it and a function that returns, between two rounds,
            whether the time is over. Returns None if nothing is left to search, but never in the first iteration.
        key: the identity of the search; see `search_key`.
        scores_last: whether a genotype's score stays as it is once the genotype was seen. Where it continues to change,
            as with shared weights, neither patience nor an exhausted space ends the search, unless the space has one
            cell only.
        max_iterations: iterations after which the search is done at the latest, however large the budget.

    Raises:
        InvalidSearchError: `run.state` belongs to another search.
    """
    budget, clock = run.budget, run.clock
    progress = SearchProgress() if run.state is None else SearchProgress.from_state(run.state, key)
    began = clock() - progress.seconds

    def expired() -> bool:
        return budget.seconds is not None and clock() - began >= budget.seconds

    def done() -> bool:
        if not progress.history:
            return False
        if max_iterations is not None and len(progress.history) >= max_iterations:
            return True
        return _exhausted(progress, run.problem, budget.patience) if scores_last else run.problem.size == 1

    while not (_over(progress, budget, clock() - began) or done()):
        iteration = iterate(progress, expired)
        if iteration is None:
            break
        progress = progress.after(iteration, clock() - began)
        run.on_state(progress.to_state(key))
        run.on_event(_iteration_event(iteration))
    best = progress.history[-1].incumbent
    return SearchOutcome(best, progress.scored, len(progress.history), progress.history)


def _over(progress: SearchProgress, budget: SearchBudget, seconds: float) -> bool:
    done = len(progress.history)
    if done == 0:
        return False
    if budget.iterations is not None and done >= budget.iterations:
        return True
    # One more iteration, as long as those before, must still fit.
    return budget.seconds is not None and seconds + progress.seconds / done > budget.seconds


def _exhausted(progress: SearchProgress, problem: SearchProblem, patience: int | None) -> bool:
    """Whether patience is at its end, or every cell has its score."""
    impatient = patience is not None and progress.iterations_without_new_incumbent >= patience
    return impatient or len(progress.scored) >= problem.size


def _iteration_event(iteration: Iteration) -> SearchEvent:
    record = iteration.record
    accuracies = tuple(score.validation_accuracy for score in iteration.scores)
    return SearchEvent(
        "iteration",
        record.iteration,
        None,
        record.genotypes,
        record.alphas,
        accuracies,
        record.incumbent,
        record.edge_weights,
    )
