"""FUSE: a gradient-based search that weighs whole candidate networks against each other.

Le, Soltani, Ravier, Tarokh: Improved Automated Machine Learning from Transfer Learning, arXiv:2103.00241, Algorithm 1.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Self

from ldnas.errors import InvalidSearchError
from ldnas.search.base import SearchBudget, SearchProblem
from ldnas.search.candidates import fresh_candidates
from ldnas.search.fuse_race import FuseVariant, Mixture
from ldnas.search.progress import Clock, Iteration, SearchProgress, run_iterations, search_key
from ldnas.search.results import IterationRecord, ScoredGenotype, SearchEvent, SearchOutcome
from ldnas.search.zero_cost import ZeroCostScore, screen
from ldnas.seeding import derive_seed
from ldnas.space.genotype import Genotype

STILL_MOVE = 0.01
"""A round is still if it changes every weight of softmax(α) by less than this."""
STILL_ROUNDS = 3
"""The number of still rounds in a row that ends an iteration."""


@dataclass(frozen=True)
class FuseConfig:
    """Settings of FUSE.

    The defaults chose best in `benchmarks/results/2026-11-25_fuse`, over 36 sets of three cells: their regret is 0.51
    of the regret of a random choice (95 %: 0.24 to 0.81), under the paper's joint loss 0.94 (0.61 to 1.25). An
    incumbent that keeps its weights made the choice worse. Dropping kept the winner in 99 and 98 of 100 sets and took
    about half the seconds. No screening: SynFlow, NASWOT and the gradient norm gained on one data set and lost on the
    other (`benchmarks/results/2026-11-25_screen`). For Algorithm 1 as published see `as_in_paper`.

    Attributes:
        candidates: C, networks weighed against each other in one iteration.
        rounds: most rounds of an iteration.
        weight_epochs: E, passes over the training images per round, with α frozen.
        alpha_steps: A, steps of α per round, each on all validation images, with the weights frozen.
        weight_learning_rate: of Adam on the weights.
        alpha_learning_rate: of Adam on α.
        batch_size: training images per weight step.
        patience: P, iterations without a new incumbent after which the search ends.
        variant: a name in `FuseVariant`; the paper's is "relaxed".
        keep_incumbent: whether the incumbent keeps its weights and their optimizer from one iteration to the next,
            so that it has had more training than the new candidates; otherwise all start from fresh weights.
        drop_lost: whether candidates that have certainly lost (`ldnas.search.fuse_race.lost`) leave an iteration
            early, which ends once one is left.
        screen: a name in `ZeroCostScore`: the new candidates are those of the highest score among cells that were
            sampled for this. None takes the cells as they are sampled.
        pool: cells sampled per new candidate for a screening.

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
    patience: int = 10
    variant: str = "expected"
    keep_incumbent: bool = False
    drop_lost: bool = True
    screen: str | None = None
    pool: int = 4

    def __post_init__(self) -> None:
        if self.candidates < 2:
            raise InvalidSearchError("FUSE weighs at least two candidates", field="search.candidates")
        for name, value in vars(self).items():
            if isinstance(value, int | float) and not isinstance(value, bool) and not value > 0:
                raise InvalidSearchError(f"{name} is more than 0, not {value}", field=f"search.{name}")
        _require_name("variant", self.variant, FuseVariant)
        if self.screen is not None:
            _require_name("screen", self.screen, ZeroCostScore)

    def as_in_paper(self) -> Self:
        """These settings with Algorithm 1 as published: the joint loss, no kept weights, no dropping, no screening."""
        return replace(self, variant="relaxed", keep_incumbent=False, drop_lost=False, screen=None)


def _require_name(setting: str, value: str, names: type[StrEnum]) -> None:
    if value not in list(names):
        raise InvalidSearchError(
            f"FUSE knows no {setting} {value!r}; known: {', '.join(names)}", field=f"search.{setting}"
        )


@dataclass(frozen=True)
class Fuse:
    """The strategy. `clock` returns the current time in seconds, for budgets in seconds."""

    config: FuseConfig = FuseConfig()
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
        """Algorithm 1's loop; see `Strategy.search`.

        An iteration samples C-1 candidates never seen before, adds the incumbent as a genotype (the first samples
        C), starts all from fresh weights (see `keep_incumbent`) and α_c = 0, so softmax(α)_c = 1/C, and runs FUSE;
        the argmax of α is the new incumbent.

        Raises:
            InvalidSearchError: `state` belongs to another search.
        """

        def iterate(progress: SearchProgress, expired: Callable[[], bool]) -> Iteration:
            own_seed = derive_seed(seed, "iteration", len(progress.history))
            return self._iterate(problem, progress, own_seed, on_event, expired)

        return run_iterations(
            iterate,
            problem,
            budget=budget,
            patience=self.config.patience,
            key=search_key("fuse", asdict(self.config), problem, seed),
            state=state,
            on_event=on_event,
            on_state=on_state,
            clock=self.clock,
        )

    def _iterate(
        self,
        problem: SearchProblem,
        progress: SearchProgress,
        seed: int,
        on_event: Callable[[SearchEvent], None],
        expired: Callable[[], bool],
    ) -> Iteration:
        config, incumbent, iteration = self.config, progress.incumbent, len(progress.history)
        genotypes = self._genotypes(problem, progress, seed)
        even = (1 / len(genotypes),) * len(genotypes)
        on_event(SearchEvent("candidates", iteration, None, genotypes, even, (), incumbent))
        candidates = fresh_candidates(genotypes, problem, learning_rate=config.weight_learning_rate, seed=seed)
        if progress.carried is not None:
            candidates[0].load(progress.carried)
        mixture = Mixture(
            candidates,
            problem,
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
            on_event(_round_event(iteration, round_number, scores, [mixture.weights[c] for c in raced], incumbent))
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
        if self.config.screen is None:
            return (*kept, *problem.sample_distinct(rng, wanted, exclude=progress.seen))
        pool = problem.sample_distinct(rng, wanted * self.config.pool, exclude=progress.seen)
        new = screen(pool, problem, ZeroCostScore(self.config.screen), wanted, derive_seed(seed, "screen"))
        return (*kept, *new)


def _round_event(
    iteration: int, number: int, scores: Sequence[ScoredGenotype], weights: Sequence[float], incumbent: Genotype | None
) -> SearchEvent:
    """The event that reports a round and the candidates that raced in it."""
    genotypes = tuple(score.genotype for score in scores)
    accuracies = tuple(score.validation_accuracy for score in scores)
    return SearchEvent("round", iteration, number, genotypes, tuple(weights), accuracies, incumbent)
