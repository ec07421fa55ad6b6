"""FUSE: a gradient-based search that weighs whole candidate networks against each other.

Le, Soltani, Ravier, Tarokh: Improved Automated Machine Learning from Transfer Learning, arXiv:2103.00241, Algorithm 1.
"""

import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ldnas.errors import InvalidSearchError
from ldnas.search.base import SearchBudget, SearchProblem
from ldnas.search.candidates import Candidate, fresh_candidates, scores_of, train_epoch, validation_logits
from ldnas.search.progress import Clock, Iteration, SearchProgress, run_iterations, search_key
from ldnas.search.results import IterationRecord, ScoredGenotype, SearchEvent, SearchOutcome
from ldnas.seeding import derive_seed
from ldnas.space.genotype import Genotype

STILL_MOVE = 0.01
"""softmax(α) counts as still in a round that moves none of its weights by this much or more."""
STILL_ROUNDS = 3
"""So many still rounds in a row end an iteration."""


@dataclass(frozen=True)
class FuseConfig:
    """Settings of FUSE.

    Attributes:
        candidates: C, networks weighed against each other in one iteration.
        rounds: most rounds of an iteration.
        weight_epochs: E, passes over the training images per round, with α frozen.
        alpha_steps: A, steps of α per round, each on all validation images, with the weights frozen.
        weight_learning_rate: of Adam on the weights.
        alpha_learning_rate: of Adam on α.
        batch_size: training images per weight step.
        patience: P, iterations without a new incumbent after which the search ends.

    Raises:
        InvalidSearchError: fewer than two candidates, or a setting that is not positive.
    """

    candidates: int = 3
    rounds: int = 3
    weight_epochs: int = 1
    alpha_steps: int = 20
    weight_learning_rate: float = 3e-3
    alpha_learning_rate: float = 0.1
    batch_size: int = 64
    patience: int = 10

    def __post_init__(self) -> None:
        if self.candidates < 2:
            raise InvalidSearchError("FUSE weighs at least two candidates", field="search.candidates")
        for name, value in vars(self).items():
            if not value > 0:
                raise InvalidSearchError(f"{name} is more than 0, not {value}", field=f"search.{name}")


@dataclass(frozen=True)
class Fuse:
    """The strategy. `clock` tells the seconds that a budget in seconds is counted in."""

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
        C), starts all from fresh weights and α_c = 0, so softmax(α)_c = 1/C, and runs FUSE; the argmax of α is the
        new incumbent.

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
        incumbent, iteration = progress.incumbent, len(progress.history)
        genotypes = self._candidates(problem, progress, seed)
        even = (1 / len(genotypes),) * len(genotypes)
        on_event(SearchEvent("candidates", iteration, None, genotypes, even, (), incumbent))
        mixture = _Mixture(self.config, problem, genotypes, seed)
        still = 0
        for round_number in range(self.config.rounds):
            moved, scores = mixture.run_round(round_number)
            accuracies = tuple(score.validation_accuracy for score in scores)
            on_event(SearchEvent("round", iteration, round_number, genotypes, mixture.weights, accuracies, incumbent))
            still = still + 1 if moved < STILL_MOVE else 0
            if still == STILL_ROUNDS or expired():
                break
        chosen = genotypes[mixture.weights.index(max(mixture.weights))]
        record = IterationRecord(
            iteration, genotypes, mixture.weights, round_number + 1, chosen, new_incumbent=chosen != incumbent
        )
        return Iteration(record, scores)

    def _candidates(self, problem: SearchProblem, progress: SearchProgress, seed: int) -> tuple[Genotype, ...]:
        # The incumbent comes first: in a tie of α the argmax then keeps it.
        kept = () if progress.incumbent is None else (progress.incumbent,)
        rng = random.Random(derive_seed(seed, "candidates"))
        new = problem.space.sample_distinct(rng, self.config.candidates - len(kept), exclude=progress.seen)
        return (*kept, *new)


class _Mixture:
    """The candidates of one iteration and their α: c̄(X) = Σ_c softmax(α)_c · c(X)."""

    def __init__(self, config: FuseConfig, problem: SearchProblem, genotypes: tuple[Genotype, ...], seed: int) -> None:
        self._config = config
        self._problem = problem
        self._seed = seed
        self._candidates: list[Candidate] = fresh_candidates(
            genotypes, problem, learning_rate=config.weight_learning_rate, seed=seed
        )
        self._alpha = torch.zeros(len(genotypes), device=problem.train.images.device, requires_grad=True)
        self._alpha_optimizer = torch.optim.Adam([self._alpha], lr=config.alpha_learning_rate)

    @property
    def weights(self) -> tuple[float, ...]:
        """softmax(α), one weight per candidate."""
        return tuple(self._alpha.detach().double().softmax(dim=0).tolist())

    def run_round(self, round_number: int) -> tuple[float, tuple[ScoredGenotype, ...]]:
        """E epochs of weight steps, then A steps of α: how far softmax(α) moved at most, and the scores."""
        before = self.weights
        frozen = self._alpha.detach().softmax(dim=0)
        for epoch in range(self._config.weight_epochs):
            train_epoch(
                self._candidates,
                self._problem,
                lambda logits, labels: relaxed_loss(frozen, logits, labels),
                batch_size=self._config.batch_size,
                seed=derive_seed(self._seed, "round", round_number, "epoch", epoch),
            )
        logits = validation_logits(self._candidates, self._problem)
        labels = self._problem.validation.labels
        step_alpha(self._alpha, self._alpha_optimizer, logits, labels, steps=self._config.alpha_steps)
        moved = max(abs(new - old) for new, old in zip(self.weights, before, strict=True))
        epochs = (round_number + 1) * self._config.weight_epochs
        return moved, scores_of(self._candidates, logits, labels, epochs=epochs)


def relaxed_loss(weights: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of Σ_c weights_c · logits_c, in nats per image.

    Args:
        weights: softmax(α) [C].
        logits: every candidate's logits [C, N, K].
        labels: [N].
    """
    return F.cross_entropy(torch.einsum("c,cnk->nk", weights, logits), labels)


def step_alpha(alpha: Tensor, optimizer: torch.optim.Optimizer, logits: Tensor, labels: Tensor, *, steps: int) -> None:
    """`steps` steps of α [C], in place, on the validation loss with the weights frozen.

    The logits [C, N, K] do not depend on α, so the networks ran once and their logits serve every step.
    """
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=True)
        relaxed_loss(alpha.softmax(dim=0), logits, labels).backward()
        optimizer.step()
