"""Random search with early stopping: Li & Talwalkar, Random Search and Reproducibility for NAS, arXiv:1902.07638.

A bracket of random candidates trains side by side; after every rung only the better part trains on (successive
halving: Jamieson & Talwalkar, arXiv:1502.07943).
"""

import math
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from ldnas.errors import InvalidSearchError
from ldnas.search.base import SearchBudget, SearchProblem
from ldnas.search.candidates import fresh_candidates, own_losses, scores_of, train_epoch, validation_logits
from ldnas.search.progress import Clock, Iteration, SearchProgress, run_iterations, search_key
from ldnas.search.results import IterationRecord, ScoredGenotype, SearchEvent, SearchOutcome, ranked
from ldnas.seeding import derive_seed
from ldnas.space.genotype import Genotype


@dataclass(frozen=True)
class RandomSearchConfig:
    """Settings of random search.

    Attributes:
        candidates: networks that begin a bracket; one bracket is one iteration.
        epochs: passes over the training images after which the survivors of a bracket have been trained in full.
        rung_epochs: passes between two cuts.
        keep: fraction of the networks that a cut leaves, rounded up, in (0, 1].
        learning_rate: of Adam on the weights.
        batch_size: training images per weight step.
        patience: brackets without a new incumbent after which the search ends.

    Raises:
        InvalidSearchError: a setting is out of its range.
    """

    candidates: int = 4
    epochs: int = 3
    rung_epochs: int = 1
    keep: float = 0.5
    learning_rate: float = 3e-3
    batch_size: int = 64
    patience: int = 10

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise InvalidSearchError(f"{name} is more than 0, not {value}", field=f"search.{name}")
        if self.keep > 1:
            raise InvalidSearchError(f"keep is at most 1, not {self.keep}", field="search.keep")


@dataclass(frozen=True)
class RandomSearch:
    """The strategy. `clock` returns the current time in seconds, for budgets in seconds."""

    config: RandomSearchConfig = RandomSearchConfig()
    clock: Clock = time.monotonic

    def search(
        self,
        problem: SearchProblem,
        *,
        budget: SearchBudget,
        seed: int,
        on_event: Callable[[SearchEvent], None],
        state: dict[str, Any] | None,
        on_state: Callable[[dict[str, Any]], None],
    ) -> SearchOutcome:
        """Brackets of candidates never seen before; see `Strategy.search`.

        The outcome's `scored` has all sampled cells; those cut early have the score at that time.

        Raises:
            InvalidSearchError: `state` belongs to another search.
        """

        def iterate(progress: SearchProgress, expired: Callable[[], bool]) -> Iteration:
            own_seed = derive_seed(seed, "iteration", len(progress.history))
            return self._bracket(problem, progress, own_seed, on_event, expired)

        return run_iterations(
            iterate,
            problem,
            budget=budget,
            patience=self.config.patience,
            key=search_key("random", asdict(self.config), problem, seed),
            state=state,
            on_event=on_event,
            on_state=on_state,
            clock=self.clock,
        )

    def _bracket(
        self,
        problem: SearchProblem,
        progress: SearchProgress,
        seed: int,
        on_event: Callable[[SearchEvent], None],
        expired: Callable[[], bool],
    ) -> Iteration:
        iteration, incumbent, config = len(progress.history), progress.incumbent, self.config
        rng = random.Random(derive_seed(seed, "candidates"))
        genotypes = problem.sample_distinct(rng, config.candidates, exclude=progress.seen)
        on_event(SearchEvent("candidates", iteration, None, genotypes, (), (), incumbent))
        alive = fresh_candidates(genotypes, problem, learning_rate=config.learning_rate, seed=seed)
        latest: dict[Genotype, ScoredGenotype] = {}
        epochs = rung = 0
        while epochs < config.epochs:
            for _ in range(min(config.rung_epochs, config.epochs - epochs)):
                order_seed = derive_seed(seed, "epoch", epochs)
                train_epoch(alive, problem, own_losses, batch_size=config.batch_size, seed=order_seed)
                epochs += 1
            logits = validation_logits(alive, problem)
            scores = scores_of(alive, logits, problem.validation.labels)
            latest |= {score.genotype: score for score in scores}
            accuracies = tuple(score.validation_accuracy for score in scores)
            racing = tuple(candidate.genotype for candidate in alive)
            on_event(SearchEvent("round", iteration, rung, racing, (), accuracies, incumbent))
            rung += 1
            if expired():
                break
            kept = {score.genotype for score in ranked(scores)[: math.ceil(config.keep * len(scores))]}
            alive = [candidate for candidate in alive if candidate.genotype in kept]
        results = tuple(latest[genotype] for genotype in genotypes)
        best = self._best(progress, results)
        record = IterationRecord(iteration, genotypes, (), rung, best, new_incumbent=best != incumbent)
        return Iteration(record, results)

    def _best(self, progress: SearchProgress, results: tuple[ScoredGenotype, ...]) -> Genotype:
        """The best of all brackets; the earlier one where scores are equal."""
        return ranked((*progress.scored, *results))[0].genotype
