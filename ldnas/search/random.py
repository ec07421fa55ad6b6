"""Random search with early stopping: Li & Talwalkar, Random Search and Reproducibility for NAS, arXiv:1902.07638.

A bracket of random candidates trains side by side; after every rung only the better part trains on (successive
halving: Jamieson & Talwalkar, arXiv:1502.07943).
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from ldnas.errors import InvalidSearchError
from ldnas.search.base import SearchRun
from ldnas.search.candidates import fresh_candidates, own_losses, scores_of, train_epoch, validation_logits
from ldnas.search.own_weights import OwnWeightsSearch, candidates_event, round_event
from ldnas.search.progress import Iteration, SearchProgress
from ldnas.search.results import IterationRecord, ScoredGenotype, ranked
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

    Raises:
        InvalidSearchError: a setting is out of its range.
    """

    candidates: int = 4
    epochs: int = 3
    rung_epochs: int = 1
    keep: float = 0.5
    learning_rate: float = 3e-3
    batch_size: int = 64

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise InvalidSearchError(f"{name} is more than 0, not {value}", field=f"search.{name}")
        if self.keep > 1:
            raise InvalidSearchError(f"keep is at most 1, not {self.keep}", field="search.keep")


@dataclass(frozen=True)
class RandomSearch(OwnWeightsSearch):
    """The strategy: brackets of candidates never seen before.

    The outcome's `scored` has all sampled cells; those cut early have the score at that time.
    """

    name: ClassVar[str] = "random"
    config: RandomSearchConfig = RandomSearchConfig()

    def iterate(self, run: SearchRun, progress: SearchProgress, seed: int, expired: Callable[[], bool]) -> Iteration:
        """Run one bracket."""
        problem, config = run.problem, self.config
        rng = random.Random(derive_seed(seed, "candidates"))
        genotypes = problem.sample_distinct(rng, config.candidates, exclude=progress.seen)
        run.on_event(candidates_event(progress, genotypes))
        alive = fresh_candidates(genotypes, problem, learning_rate=config.learning_rate, seed=seed)
        latest: dict[Genotype, ScoredGenotype] = {}
        epochs = rung = 0
        while epochs < config.epochs:
            for _ in range(min(config.rung_epochs, config.epochs - epochs)):
                order_seed = derive_seed(seed, "epoch", epochs)
                train_epoch(alive, problem, own_losses, batch_size=config.batch_size, seed=order_seed)
                epochs += 1
            scores = scores_of(alive, validation_logits(alive, problem), problem.validation.labels)
            latest |= {score.genotype: score for score in scores}
            run.on_event(round_event(progress, rung, scores))
            rung += 1
            if expired():
                break
            kept = {score.genotype for score in ranked(scores)[: math.ceil(config.keep * len(scores))]}
            alive = [candidate for candidate in alive if candidate.genotype in kept]
        results = tuple(latest[genotype] for genotype in genotypes)
        best = self._best(progress, results)
        record = IterationRecord(
            len(progress.history), genotypes, (), rung, best, new_incumbent=best != progress.incumbent
        )
        return Iteration(record, results)

    def _best(self, progress: SearchProgress, results: tuple[ScoredGenotype, ...]) -> Genotype:
        """The best of all brackets; the earlier one where scores are equal."""
        return ranked((*progress.scored, *results))[0].genotype
