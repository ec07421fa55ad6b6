"""The candidates of one FUSE iteration and the α that weighs them: c̄(X) = Σ_c softmax(α)_c · c(X).

Le, Soltani, Ravier, Tarokh, arXiv:2103.00241, Algorithm 1, and two variants that give every candidate its own loss.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

import torch
from torch import Tensor
from torch.nn import functional as F

from ldnas.search.base import SearchProblem
from ldnas.search.candidates import Candidate, own_losses, scores_of, train_epoch, validation_logits
from ldnas.search.results import ScoredGenotype
from ldnas.seeding import derive_seed

LOST_ERRORS = 3.0
"""Standard errors of the paired difference of validation losses at which a candidate has lost; see `lost`."""


class FuseVariant(StrEnum):
    """Which loss the weights descend, and which one α.

    RELAXED: both the cross-entropy of c̄, as in the paper.
    INDEPENDENT: every candidate's weights descend its own cross-entropy; α that of c̄.
    EXPECTED: every candidate's weights descend its own cross-entropy; α the expected one, Σ_c softmax(α)_c · CE_c,
        so that it ends on the candidate of the lowest validation loss.
    """

    RELAXED = "relaxed"
    INDEPENDENT = "independent"
    EXPECTED = "expected"


def relaxed_loss(weights: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of Σ_c weights_c · logits_c, in nats per image.

    Args:
        weights: softmax(α) [C].
        logits: every candidate's logits [C, N, K].
        labels: [N].
    """
    return F.cross_entropy(torch.einsum("c,cnk->nk", weights, logits), labels)


def expected_loss(weights: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """Σ_c weights_c · CE(logits_c), in nats per image; arguments as `relaxed_loss`."""
    return weights @ image_losses(logits, labels).mean(dim=1)


def image_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Each candidate's own cross-entropy on each image [C, N], in nats, from logits [C, N, K] and labels [N]."""
    count, images, classes = logits.shape
    losses = F.cross_entropy(logits.reshape(-1, classes), labels.repeat(count), reduction="none")
    return losses.reshape(count, images)


_ALPHA_LOSSES: Mapping[FuseVariant, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    FuseVariant.RELAXED: relaxed_loss,
    FuseVariant.INDEPENDENT: relaxed_loss,
    FuseVariant.EXPECTED: expected_loss,
}


def step_alpha(
    alpha: Tensor,
    optimizer: torch.optim.Optimizer,
    logits: Tensor,
    labels: Tensor,
    *,
    steps: int,
    variant: FuseVariant = FuseVariant.RELAXED,
) -> None:
    """`steps` steps of α [C], in place, on the validation loss with the weights frozen.

    The logits [C, N, K] do not depend on α, so the networks ran once and their logits serve every step.
    """
    loss = _ALPHA_LOSSES[variant]
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=True)
        loss(alpha.softmax(dim=0), logits, labels).backward()
        optimizer.step()


def lost(losses: Tensor, leader: int) -> list[bool]:
    """Which candidates have certainly lost, from their losses on each validation image [C, N], in nats.

    Those whose loss exceeds that of the leader, the candidate of the largest α, by more than `LOST_ERRORS` standard
    errors of the mean paired difference: on the available validation images the current order is beyond doubt. More
    training did not reverse it in experiments (`benchmarks/results/2026-11-25_fuse`); this is not proven.
    """
    behind = (losses - losses[leader]).double()
    error = behind.std(dim=1, correction=0) / behind.shape[1] ** 0.5
    return [bool(mean > LOST_ERRORS * spread) for mean, spread in zip(behind.mean(dim=1), error, strict=True)]


class Mixture:
    """The candidates of one iteration and their α, from softmax(α)_c = 1/C on.

    Attributes:
        candidates: all of them.
        racing: the places of those not dropped.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        problem: SearchProblem,
        *,
        variant: FuseVariant,
        alpha_learning_rate: float,
        drop_lost: bool,
    ) -> None:
        self.candidates = tuple(candidates)
        self.racing = tuple(range(len(candidates)))
        self._problem = problem
        self._variant = variant
        self._drop_lost = drop_lost
        device = problem.compute.device
        self._alpha = torch.zeros(len(candidates), device=device, requires_grad=True)
        self._optimizer = torch.optim.Adam([self._alpha], lr=alpha_learning_rate)
        shape = (len(candidates), len(problem.validation), problem.skeleton.classes)
        self._logits = torch.zeros(shape, device=device)

    @property
    def weights(self) -> tuple[float, ...]:
        """softmax(α), one weight per candidate; 0 for one that was dropped."""
        return tuple(self._alpha.detach().double().softmax(dim=0).tolist())

    @property
    def leader(self) -> int:
        """The place of the largest weight; the first one in a tie."""
        return self.weights.index(max(self.weights))

    def run_round(
        self, *, epochs: int, alpha_steps: int, batch_size: int, seed: int
    ) -> tuple[float, tuple[ScoredGenotype, ...]]:
        """Run epochs of weight steps, then steps of α; then drop the candidates that lost, if dropping is on.

        Args:
            seed: decides the order of the images in each epoch.

        Returns:
            The largest change of softmax(α) while α descended, and the scores of the candidates that took part.
        """
        candidates = [self.candidates[place] for place in self.racing]
        loss = self._weight_loss()
        for epoch in range(epochs):
            train_epoch(candidates, self._problem, loss, batch_size=batch_size, seed=derive_seed(seed, "epoch", epoch))
        logits, labels = validation_logits(candidates, self._problem), self._problem.validation.labels
        # A dropped candidate's logits stay as they were: at weight 0 they add nothing.
        self._logits[list(self.racing)] = logits
        before = self.weights
        step_alpha(self._alpha, self._optimizer, self._logits, labels, steps=alpha_steps, variant=self._variant)
        moved = max(abs(new - old) for new, old in zip(self.weights, before, strict=True))
        if self._drop_lost:
            self._drop(labels)
        return moved, scores_of(candidates, logits, labels)

    def _weight_loss(self) -> Callable[[Tensor, Tensor], Tensor]:
        if self._variant is not FuseVariant.RELAXED:
            return own_losses
        frozen = self._alpha.detach().softmax(dim=0)[list(self.racing)]
        return lambda logits, labels: relaxed_loss(frozen, logits, labels)

    def _drop(self, labels: Tensor) -> None:
        gone = [place for place, is_lost in enumerate(lost(image_losses(self._logits, labels), self.leader)) if is_lost]
        with torch.no_grad():
            self._alpha[gone] = -torch.inf
        self.racing = tuple(place for place in self.racing if place not in gone)
