"""FUSE: a gradient-based search that weighs whole candidate networks against each other.

Le, Soltani, Ravier, Tarokh: Improved Automated Machine Learning from Transfer Learning, arXiv:2103.00241, Algorithm 1.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from ldnas.errors import InvalidSearchError
from ldnas.search.base import SearchProblem, SearchRun
from ldnas.search.candidates import fresh_candidates
from ldnas.search.fuse_race import FuseVariant, Mixture
from ldnas.search.own_weights import OwnWeightsSearch, candidates_event, round_event
from ldnas.search.progress import Iteration, SearchProgress
from ldnas.search.results import IterationRecord, ScoredGenotype
from ldnas.seeding import derive_seed
from ldnas.space.genotype import Genotype

STILL_MOVE = 0.01
"""A round is still if it changes every weight of softmax(α) by less than this."""
STILL_ROUNDS = 3
"""The number of still rounds in a row that ends an iteration."""
_LEFT_BY_DROPPING = 0.65
"""The share of the seconds that dropping lost candidates leaves (`benchmarks/results/2026-11-25_fuse`, the mean)."""


@dataclass(frozen=True)
class FuseConfig:
    """Settings of FUSE.

    The defaults chose best in `benchmarks/results/2026-11-25_fuse`, over 36 sets of three cells: their regret is 0.51
    of the regret of a random choice (95 %: 0.24 to 0.81), under the paper's joint loss 0.94 (0.61 to 1.25). An
    incumbent that keeps its weights made the choice worse. Dropping kept the winner in 99 and 98 of 100 sets and took
    about half the seconds. For Algorithm 1 as published see `as_in_paper`.

    Attributes:
        candidates: C, networks weighed against each other in one iteration.
        rounds: most rounds of an iteration.
        weight_epochs: E, passes over the training images per round, with α frozen.
        alpha_steps: A, steps of α per round, each on all validation images, with the weights frozen.
        weight_learning_rate: of Adam on the weights.
        alpha_learning_rate: of Adam on α.
        batch_size: training images per weight step.
        variant: a name in `FuseVariant`; the paper's is "relaxed".
        keep_incumbent: whether the incumbent keeps its weights and their optimizer from one iteration to the next,
            so that it has had more training than the new candidates; otherwise all start from fresh weights.
        drop_lost: whether candidates that have certainly lost (`ldnas.search.fuse_race.lost`) leave an iteration
            early, which ends once one is left.

    Raises:
        InvalidSearchError: fewer than two candidates, an unknown name, or a number that is not positive.
    """

    candidates: int = 3
    rounds: int = 3
    weight_epochs: int = 1
    alpha_steps: int = 20
    weight_learning_rate: float = 3e-3
    alpha_learning_rate: float = 0.1
    batch_size: int = 64
    variant: str = "expected"
    keep_incumbent: bool = False
    drop_lost: bool = True

    def __post_init__(self) -> None:
        if self.candidates < 2:
            raise InvalidSearchError("FUSE weighs at least two candidates", field="search.candidates")
        for name, value in vars(self).items():
            if isinstance(value, int | float) and not isinstance(value, bool) and not value > 0:
                raise InvalidSearchError(f"{name} is more than 0, not {value}", field=f"search.{name}")
        if self.variant not in list(FuseVariant):
            raise InvalidSearchError(
                f"FUSE knows no variant {self.variant!r}; known: {', '.join(FuseVariant)}", field="search.variant"
            )

    def as_in_paper(self) -> Self:
        """These settings with Algorithm 1 as published: the joint loss, no kept weights, no dropping."""
        return replace(self, variant="relaxed", keep_incumbent=False, drop_lost=False)


@dataclass(frozen=True)
class Fuse(OwnWeightsSearch):
    """The strategy: Algorithm 1's loop, whose P is the patience of the budget."""

    name: ClassVar[str] = "fuse"
    config: FuseConfig = FuseConfig()

    @property
    def cost_factor(self) -> float:
        return _LEFT_BY_DROPPING if self.config.drop_lost else 1.0

    def steady(self) -> Self:
        return replace(self, config=replace(self.config, drop_lost=False))

    def settings(self, patience: int | None) -> dict[str, Any]:
        # FUSE could once screen its candidates, and did not by default: stored content keys contain that.
        return {**super().settings(patience), "screen": None, "pool": 4}

    def iterate(self, run: SearchRun, progress: SearchProgress, seed: int, expired: Callable[[], bool]) -> Iteration:
        """Weigh the incumbent and C-1 candidates never seen before (in the first iteration C of them).

        All start from fresh weights (see `keep_incumbent`) and α_c = 0, so softmax(α)_c = 1/C; the argmax of α is the
        new incumbent.
        """
        config, incumbent, iteration = self.config, progress.incumbent, len(progress.history)
        genotypes = self._genotypes(run.problem, progress, seed)
        run.on_event(candidates_event(progress, genotypes, (1 / len(genotypes),) * len(genotypes)))
        candidates = fresh_candidates(genotypes, run.problem, learning_rate=config.weight_learning_rate, seed=seed)
        if progress.carried is not None:
            candidates[0].load(progress.carried)
        mixture = Mixture(
            candidates,
            run.problem,
            variant=FuseVariant(config.variant),
            alpha_learning_rate=config.alpha_learning_rate,
            drop_lost=config.drop_lost,
        )
        latest: dict[Genotype, ScoredGenotype] = {}
        still = 0
        for round_number in range(config.rounds):
            raced = mixture.racing
            moved, scores = mixture.run_round(
                epochs=config.weight_epochs,
                alpha_steps=config.alpha_steps,
                batch_size=config.batch_size,
                seed=derive_seed(seed, "round", round_number),
            )
            latest |= {score.genotype: score for score in scores}
            run.on_event(round_event(progress, round_number, scores, [mixture.weights[place] for place in raced]))
            still = still + 1 if moved < STILL_MOVE else 0
            if still == STILL_ROUNDS or len(mixture.racing) == 1 or expired():
                break
        chosen = candidates[mixture.leader]
        record = IterationRecord(
            iteration,
            genotypes,
            mixture.weights,
            round_number + 1,
            chosen.genotype,
            new_incumbent=chosen.genotype != incumbent,
        )
        carried = chosen.to_json() if config.keep_incumbent else None
        return Iteration(record, tuple(latest[genotype] for genotype in genotypes), carried)

    def _genotypes(self, problem: SearchProblem, progress: SearchProgress, seed: int) -> tuple[Genotype, ...]:
        # The incumbent comes first: in a tie of α the argmax then keeps it.
        kept = () if progress.incumbent is None else (progress.incumbent,)
        rng, wanted = random.Random(derive_seed(seed, "candidates")), self.config.candidates - len(kept)
        return (*kept, *problem.sample_distinct(rng, wanted, exclude=progress.seen))
