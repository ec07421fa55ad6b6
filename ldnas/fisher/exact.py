"""The exact Fisher diagonal: squared gradients in expectation over the network's own prediction."""

from collections.abc import Iterable

from torch import Tensor, nn

from ldnas.errors import UnsupportedLayerError
from ldnas.fisher.diagonal import FisherDiagonal
from ldnas.fisher.estimation import LossOf, SquaredGradients


def exact_fisher_diagonal(
    network: nn.Module,
    images: Iterable[Tensor],
    *,
    classes: int,
    parameters: Iterable[str] | None = None,
) -> FisherDiagonal:
    """Diagonal of the Fisher information itself, with the labels' expectation taken class by class.

    F = (1/M) Σ_i Σ_c p(c|x_i,θ) (∇_θ log p(c|x_i,θ))² (Kunstner, Balles, Hennig 2019, arXiv 1905.12558, section 2).
    One pass per class. Network, modes and errors as in `empirical_fisher_diagonal`.

    Args:
        network: maps images [N, C, H, W] to logits [N, classes], float32 or float64.
        images: yields batches [N, C, H, W].
        classes: number of classes, the width of the logits.
        parameters: names of the parameters to count; all of them by default.

    Raises:
        UnsupportedLayerError: as in `empirical_fisher_diagonal`, or the logits are not `classes` wide.
    """
    losses = [_weighted_negative_log_likelihood(label, classes) for label in range(classes)]
    squares = SquaredGradients(network, parameters)
    for inputs in images:
        squares.add(inputs, losses)
    return squares.diagonal()


def _weighted_negative_log_likelihood(label: int, classes: int) -> LossOf:
    """√p(c|x) · −log p(c|x) with the weight held constant, so that the square of its gradient carries p(c|x)."""

    def loss(logits: Tensor, rows: slice) -> Tensor:
        if logits.shape[1] != classes:
            raise UnsupportedLayerError(f"the network gives {logits.shape[1]} logits where {classes} were named")
        log_probability = logits.log_softmax(1)[:, label]
        return -(log_probability.detach().exp().sqrt() * log_probability).sum()

    return loss
