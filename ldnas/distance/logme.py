"""LogME: how well a linear model explains the labels by the features, with a penalty on overfitting."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

ITERATIONS = 1000
"""The most iterations of the fixed point; usually tens are enough."""

_TOLERANCE = 1e-9
_DECADES = 12
_CONSTANT = (math.log(2 * math.pi) + 1) / 2


def log_me(features: Tensor, labels: Tensor) -> float:
    """The log maximum evidence of the labels given the features, in nats per image, averaged over classes.

    You, Liu, Wang & Long, arXiv:2102.11005, Eq. 2: with y `[N]` the indicator of one class, F `[N, D]` the features,
    w ~ N(0, α⁻¹·1) and y|w ~ N(F·w, β⁻¹·1),

        log p(y|F,α,β) = N/2·log β + D/2·log α − N/2·log 2π − β/2·‖F·m − y‖² − α/2·mᵀm − ½·log|A|,
        A = α·1 + β·FᵀF,  m = β·A⁻¹·Fᵀy,

    is maximised over α and β, divided by N, and averaged over the classes. Greater is better, without bound; a
    class's own evidence is never below that of features that are all zero, ½·log(N/N_y) − ½·log 2π − ½ for its N_y
    images. It does not change when classes are renumbered, or when features are rotated or scaled together.

    The maximum is found by the authors' fixed point γ = Σ_i s_i/(s_i + α/β), α ← γ/mᵀm, β ← (N−γ)/‖F·m − y‖², s_i
    the squared singular values of F, on the CPU in float64, until α/β moves by less than a billionth of itself or
    `ITERATIONS` are over; the evidence is then taken at the best β for that α/β.

    Deviations from the authors' program: it starts at α/β = 1 and stops after 11 steps; the evidence can have several
    peaks, and here the best of a grid of half decades is the start. It adds 1e-5 to both denominators; here α/β is
    kept within 1e-12 and 1e12 times the greatest s_i instead, so that features without information on a class (all
    zero, say) have the evidence of no features, and labels that are exactly linear in fewer features than images, whose
    evidence has no bound, a great but finite one. For D > N its D/2·log α lacks the counterpart in log|A|, which is
    complete here. The model has no intercept, as in the paper: a constant feature acts as one. A class without an image
    is not counted.

    Args:
        features: `[N, D]`, any real dtype.
        labels: `[N]`, integers.

    Raises:
        ValueError: the features have no row, or the labels are not one per row.
    """
    if len(features) == 0 or len(features) != len(labels):
        raise ValueError(f"{len(features)} rows of features and {len(labels)} labels: LogME needs one label for each")
    _, renumbered = labels.cpu().unique(return_inverse=True)
    indicators = F.one_hot(renumbered).double()
    left, singular = _left_svd(features.detach().cpu().double())
    if not singular.any():
        return float((torch.log(len(labels) / indicators.sum(dim=0)) / 2 - _CONSTANT).mean())
    projected = left.T @ indicators
    outside = (indicators - left @ projected).square().sum(dim=0)
    evidence = _Evidence(singular.square()[:, None], projected.square(), outside, len(labels))
    return float(evidence.maximum().mean())


def _left_svd(features: Tensor) -> tuple[Tensor, Tensor]:
    """Left singular vectors `[N, r]` and singular values `[r]`, through QR: several times faster than directly."""
    images, dimensions = features.shape
    if images < dimensions:
        _, triangle = torch.linalg.qr(features.T, mode="r")
        left, singular, _ = torch.linalg.svd(triangle.T, full_matrices=False)
        return left, singular
    basis, triangle = torch.linalg.qr(features)
    left, singular, _ = torch.linalg.svd(triangle, full_matrices=False)
    return basis @ left, singular


@dataclass(frozen=True)
class _Evidence:
    """The evidence of K classes as a function of the ratio t = α/β alone, at the best β for it.

    Attributes:
        s: `[r, 1]`, squared singular values of the features; the greatest is above 0.
        squares: `[r, K]`, (u_iᵀy)² for each left singular vector u_i.
        outside: `[K]`, ‖y − UUᵀy‖², the part that no linear model explains.
        images: N.
    """

    s: Tensor
    squares: Tensor
    outside: Tensor
    images: int

    def at(self, ratio: Tensor) -> Tensor:
        """Per image, for a ratio of each class `[K]`: β is N/(‖F·m − y‖² + t·mᵀm), the rest of α cancels."""
        cost = self.outside + (self.squares * ratio / (ratio + self.s)).sum(dim=0)
        complexity = torch.log1p(self.s / ratio).sum(dim=0) / (2 * self.images)
        return torch.log(self.images / cost) / 2 - complexity - _CONSTANT

    def maximum(self) -> Tensor:
        """Over t, of each class `[K]`."""
        grid = torch.logspace(-_DECADES, _DECADES, 4 * _DECADES + 1, dtype=self.s.dtype) * self.s.max()
        values = torch.stack([self.at(ratio.expand(len(self.outside))) for ratio in grid])
        best, start = values.max(dim=0)
        return torch.maximum(best, self.at(self._fixed_point(grid[start], grid[0], grid[-1])))

    def _fixed_point(self, ratio: Tensor, smallest: Tensor, largest: Tensor) -> Tensor:
        for _ in range(ITERATIONS):
            weight = self.s / (self.s + ratio)
            determined = weight.sum(dim=0)  # γ, the number of directions that the labels determine
            length = (weight * self.squares / (self.s + ratio)).sum(dim=0)  # mᵀm
            residual = self.outside + (self.squares * (1 - weight).square()).sum(dim=0)  # ‖F·m − y‖²
            updated = determined * residual / (length * (self.images - determined))
            # 0/0 or x/0: no weight is left, so α is without bound.
            updated = updated.nan_to_num(nan=torch.inf).clamp(smallest, largest)
            converged = ((updated - ratio).abs() <= _TOLERANCE * ratio).all()
            ratio = updated
            if converged:
                break
        return ratio
