"""The base of the strategies whose candidates train with weights of their own, each network by itself."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from ldnas.search.base import SearchRun, StrategyDefaults
from ldnas.search.progress import Iteration, SearchProgress, run_iterations, search_key
from ldnas.search.results import ScoredGenotype, SearchEvent, SearchOutcome
from ldnas.seeding import derive_seed
from ldnas.space.genotype import Genotype

_HASHED_WITHOUT_PATIENCE = 1_000_000_000


class OwnWeightsSearch(StrategyDefaults, ABC):
    """A strategy that patience and the exhaustion of the space can end; see `Strategy` for its members."""

    def settings(self, patience: int | None) -> dict[str, Any]:
        # Patience was once a setting of these strategies, so content keys hash it among the settings.
        return {**super().settings(patience), "patience": _HASHED_WITHOUT_PATIENCE if patience is None else patience}

    def search(self, run: SearchRun) -> SearchOutcome:
        def iterate(progress: SearchProgress, expired: Callable[[], bool]) -> Iteration:
            return self.iterate(run, progress, derive_seed(run.seed, "iteration", len(progress.history)), expired)

        key = search_key(self.name, self.settings(run.budget.patience), run.problem, run.seed)
        return run_iterations(iterate, run, key=key, scores_last=True)

    @abstractmethod
    def iterate(self, run: SearchRun, progress: SearchProgress, seed: int, expired: Callable[[], bool]) -> Iteration:
        """Run the iteration after `progress`.

        Args:
            seed: decides every draw of this iteration.
            expired: called between two rounds; True ends the iteration.
        """


def candidates_event(
    progress: SearchProgress, genotypes: tuple[Genotype, ...], weights: tuple[float, ...] = ()
) -> SearchEvent:
    """The event that reports the candidates of an iteration before they train."""
    return SearchEvent("candidates", len(progress.history), None, genotypes, weights, (), progress.incumbent)


def round_event(
    progress: SearchProgress, number: int, scores: Sequence[ScoredGenotype], weights: Sequence[float] = ()
) -> SearchEvent:
    """The event that reports a round and the candidates that took part in it."""
    genotypes = tuple(score.genotype for score in scores)
    accuracies = tuple(score.validation_accuracy for score in scores)
    return SearchEvent(
        "round", len(progress.history), number, genotypes, tuple(weights), accuracies, progress.incumbent
    )
