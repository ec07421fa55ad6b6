"""DARTS: Liu, Simonyan, Yang, DARTS: Differentiable Architecture Search, arXiv:1806.09055, Algorithm 1.

Every edge of a supernet is a mixture of the space's primitives, ō(x) = Σ_o softmax(α)_o · o(x) (Eq. 2). Steps of α on
validation images and of the weights on training images take turns; the cell is each edge's argmax of α, or where
constraints are set the admitted cell of the highest Π_edges softmax(α). They do not act on the supernet's training.
The paper keeps the two strongest edges of a node and leaves out its `none` operation; our cell keeps all of its edges.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from ldnas.errors import InvalidSearchError
from ldnas.search.base import SearchProblem
from ldnas.search.paths import best_admitted
from ldnas.search.tensors import load_optimizer_tensors, optimizer_tensors
from ldnas.search.weight_sharing import Learner, SharedWeights, SharedWeightsConfig, SharingSearch
from ldnas.seeding import derive_seed
from ldnas.space.genotype import EDGES, Genotype
from ldnas.training.micro_batches import gradient_in_parts

_ALPHA_SPREAD = 1e-3
_ALPHA_BETAS = (0.5, 0.999)
_ALPHA_WEIGHT_DECAY = 1e-3
_FINITE_STEP = 0.01

Gradient = Callable[[Tensor, Sequence[Tensor]], tuple[Tensor, ...]]
"""The gradients of a loss at α, in α itself or in the weights."""


@dataclass(frozen=True)
class DartsConfig(SharedWeightsConfig):
    """Settings of DARTS.

    Attributes:
        order: 1 takes the weights as they are in a step of α (ξ = 0), 2 looks one weight step ahead, ξ being the
            weights' learning rate.
        alpha_learning_rate: of Adam on α (betas 0.5 and 0.999, weight decay 1e-3). The paper's 3e-4 is for 20,000
            steps; over the few hundred steps of a small task the larger rate moves α equally far.

    Raises:
        InvalidSearchError: a setting is not positive, or `order` is neither 1 nor 2.
    """

    order: int = 1
    alpha_learning_rate: float = 2e-2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.order not in (1, 2):
            raise InvalidSearchError(f"DARTS is of order 1 or 2, not {self.order}", field="search.order")


@dataclass(frozen=True)
class Darts(SharingSearch):
    """The strategy: α and weights in turns.

    An iteration ends with the best admitted cell under α as its one candidate, which is the new incumbent. The
    outcome's best is the last one, not the best scored.
    """

    name: ClassVar[str] = "darts"
    config: DartsConfig = DartsConfig()

    def new_learner(self, problem: SearchProblem, *, seed: int) -> Learner:
        config = self.config
        return DartsLearner(
            problem, config, alpha_learning_rate=config.alpha_learning_rate, order=config.order, seed=seed
        )


class DartsLearner:
    """α over the edges of a supernet.

    Args:
        partial: K, where only 1/K of the channels pass through the operations (PC-DARTS).
        warm_up: iterations at the start in which α does not change.
    """

    def __init__(
        self,
        problem: SearchProblem,
        config: SharedWeightsConfig,
        *,
        alpha_learning_rate: float,
        order: int = 1,
        partial: int = 1,
        warm_up: int = 0,
        seed: int,
    ) -> None:
        self.shared = SharedWeights(problem, config, seed=seed, partial=partial)
        self._cells = problem.cells
        self._order = order
        self._warm_up = warm_up
        generator = torch.Generator().manual_seed(derive_seed(seed, "alpha"))
        alpha = _ALPHA_SPREAD * torch.randn(len(EDGES), len(problem.space.primitives), generator=generator)
        self.alpha = alpha.to(problem.compute.device).requires_grad_()
        self._optimizer = torch.optim.Adam(
            [self.alpha], lr=alpha_learning_rate, betas=_ALPHA_BETAS, weight_decay=_ALPHA_WEIGHT_DECAY
        )

    @property
    def edge_weights(self) -> tuple[tuple[float, ...], ...]:
        """softmax(α), [6][P]."""
        return tuple(tuple(weights) for weights in self.alpha.detach().double().softmax(dim=1).tolist())

    def learn(self, iteration: int) -> None:
        """For every batch of training images take a step of α on validation images, then one of the weights."""
        validation = self.shared.validation_batches(iteration)
        rate = self.shared.learning_rate(iteration)
        for train in self.shared.training_batches(iteration):
            if iteration >= self._warm_up:
                self.alpha.grad = self._alpha_gradient(train, next(validation), rate)
                self._optimizer.step()
            self.shared.step(*train, self.alpha.detach().softmax(dim=1))

    def candidates(self, iteration: int, incumbent: Genotype | None) -> tuple[Genotype, ...]:
        """The best admitted cell under α: the argmax on every edge, where the constraints leave it."""
        return (best_admitted(self.alpha.detach().log_softmax(dim=1), self._cells),)

    def tensors(self) -> dict[str, Tensor]:
        return {"alpha": self.alpha, **optimizer_tensors(self._optimizer, "adam"), **self.shared.tensors()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            self.alpha.copy_(tensors["alpha"])
        load_optimizer_tensors(self._optimizer, "adam", tensors)
        self.shared.load(tensors)

    def _alpha_gradient(self, train: tuple[Tensor, Tensor], validation: tuple[Tensor, Tensor], rate: float) -> Tensor:
        def gradient_on(batch: tuple[Tensor, Tensor], size: int) -> Gradient:
            def gradient(alpha: Tensor, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
                def mean_loss(images: Tensor, labels: Tensor) -> Tensor:
                    return F.cross_entropy(self.shared.network(images, alpha.softmax(dim=1)), labels)

                return gradient_in_parts(batch, size, mean_loss, inputs)

            return gradient

        def attempt(size: int) -> Tensor:
            if self._order == 1:
                return gradient_on(validation, size)(self.alpha, [self.alpha])[0]
            weights = list(self.shared.network.parameters())
            gradients = gradient_on(train, size), gradient_on(validation, size)
            return unrolled_gradient(*gradients, weights, self.alpha, rate=rate)

        return self.shared.in_memory(max(len(train[1]), len(validation[1])), attempt)


def unrolled_gradient(
    train_gradient: Gradient,
    validation_gradient: Gradient,
    weights: Sequence[Tensor],
    alpha: Tensor,
    *,
    rate: float,
) -> Tensor:
    """∇_α L_val(w − ξ ∇_w L_train(w, α), α), to second order by finite differences (section 2.3, Eq. 7 and 8).

        ∇_α L_val(w′, α) − ξ (∇_α L_train(w⁺, α) − ∇_α L_train(w⁻, α)) / 2ε
        w′ = w − ξ ∇_w L_train(w, α),  w± = w ± ε ∇_w′ L_val(w′, α),  ε = 0.01 / ‖∇_w′ L_val(w′, α)‖

    w′ is one plain gradient step as in the text; the released program adds momentum and weight decay to it.

    Args:
        train_gradient: of L_train, at the weights' values by then; `validation_gradient` likewise.
        weights: w; their values change while this runs and are restored bit for bit, even after an exception.
        rate: ξ, more than 0.
    """
    originals = [weight.detach().clone() for weight in weights]
    descent = train_gradient(alpha.detach(), weights)
    try:
        _move(weights, originals, descent, -rate)
        direct, *ahead = validation_gradient(alpha, [alpha, *weights])
        norm = float(torch.stack([gradient.norm() for gradient in ahead]).norm())
        curvature = torch.zeros_like(direct)
        if norm > 0:
            step = _FINITE_STEP / norm
            for sign in (1, -1):
                _move(weights, originals, ahead, sign * step)
                curvature += sign * train_gradient(alpha, [alpha])[0] / (2 * step)
    finally:
        _move(weights, originals, descent, 0.0)
    return direct - rate * curvature


@torch.no_grad()
def _move(weights: Sequence[Tensor], origin: Sequence[Tensor], direction: Sequence[Tensor], distance: float) -> None:
    """weights = origin + distance · direction, in place."""
    for weight, start, slope in zip(weights, origin, direction, strict=True):
        weight.copy_(start if distance == 0 else start + distance * slope)
