"""The square of the batch-mean gradient, which some programs take for the Fisher diagonal."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ldnas.errors import UnsupportedLayerError
from ldnas.fisher.diagonal import FisherDiagonal
from ldnas.fisher.estimation import counted_parameters, evaluating
from ldnas.fisher.layers import parameter_layers


def batch_mean_squares(
    network: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    parameters: Iterable[str] | None = None,
) -> FisherDiagonal:
    """The mean over batches of (∇_θ (1/|B|) Σ_{i∈B} log p(y_i|x_i,θ))², entry by entry.

    What the authors' released program computes in place of Eq. 1 (Le, Soltani, Ravier, Tarokh, arXiv:2103.00241). It is
    not a Fisher information: gradients of opposite signs cancel before they are squared, and it depends on how
    the images fall into batches. It is here to answer for the published matrix, and for nothing else.

    Args:
        network: maps images [N, C, H, W] to logits [N, classes], float32 or float64; used in eval mode.
        batches: yields (inputs [N, C, H, W], labels int64 [N]).
        parameters: names of the parameters to count; all of them by default.

    Raises:
        UnsupportedLayerError: a parameter is unknown or in half precision, or there is no image.
    """
    counted = counted_parameters(network, parameters)
    sums = {name: torch.zeros_like(parameter, dtype=torch.float64) for name, parameter in counted.items()}
    count = samples = 0
    with evaluating(network):
        for inputs, labels in batches:
            device = next(network.parameters()).device
            loss = F.cross_entropy(network(inputs.to(device)), labels.to(device))
            gradients = torch.autograd.grad(loss, [*counted.values()], materialize_grads=True)
            for total, gradient in zip(sums.values(), gradients, strict=True):
                total.add_(gradient.double().square())
            count += 1
            samples += len(labels)
    if not samples:
        raise UnsupportedLayerError("a Fisher diagonal needs at least one image; the batches held none")
    blocks = {name: (total / count).to(counted[name].dtype) for name, total in sums.items()}
    return FisherDiagonal(blocks, samples, parameter_layers(network, counted))
