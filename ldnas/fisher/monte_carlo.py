"""The Monte-Carlo Fisher diagonal: squared gradients at labels drawn from the network's own prediction."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ldnas.fisher.diagonal import FisherDiagonal
from ldnas.fisher.estimation import SquaredGradients


def monte_carlo_fisher_diagonal(
    network: nn.Module,
    images: Iterable[Tensor],
    *,
    generator: torch.Generator,
    parameters: Iterable[str] | None = None,
) -> FisherDiagonal:
    """Unbiased estimate of the exact Fisher diagonal, with one drawn label per image.

    F ≈ (1/M) Σ_i (∇_θ log p(ŷ_i|x_i,θ))² with ŷ_i ~ p(·|x_i,θ) (Kunstner, Balles, Hennig 2019, arXiv 1905.12558,
    section 2). Network, modes and errors as in `empirical_fisher_diagonal`.

    Args:
        network: maps images [N, C, H, W] to logits [N, classes], float32 or float64.
        images: yields batches [N, C, H, W].
        generator: the source of the labels, on the CPU.
        parameters: names of the parameters to count; all of them by default.

    Raises:
        UnsupportedLayerError: as in `empirical_fisher_diagonal`.
    """

    def loss(logits: Tensor, rows: slice) -> Tensor:
        probabilities = logits.detach().softmax(1).cpu()
        labels = torch.multinomial(probabilities, 1, generator=generator).squeeze(1)
        return F.cross_entropy(logits, labels.to(logits.device), reduction="sum")

    squares = SquaredGradients(network, parameters)
    for inputs in images:
        squares.add(inputs, [loss])
    return squares.diagonal()
