"""The square of the batch-mean gradient, which some programs use as the Fisher diagonal."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ldnas.errors import UnsupportedLayerError
from ldnas.fisher.diagonal import FisherDiagonal
from ldnas.fisher.estimation import counted_parameters, evaluating
from ldnas.fisher.layers import parameter_layers
from ldnas.training.micro_batches import MicroBatches, gradient_in_parts


def batch_mean_squares(
    network: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    parameters: Iterable[str] | None = None,
    micro_batches: MicroBatches | None = None,
) -> FisherDiagonal:
    """The mean over batches of (∇_θ (1/|B|) Σ_{i∈B} log p(y_i|x_i,θ))², entry by entry.

    The authors' released program computes this in place of Eq. 1 (Le, Soltani, Ravier, Tarokh, arXiv:2103.00241). It is
    not a Fisher information: gradients of opposite signs cancel before they are squared, and it depends on how the
    images are divided into batches. Its only purpose is to reproduce the published matrix.

    Args:
        network: maps images [N, C, H, W] to logits [N, classes], float32 or float64; used in eval mode.
        batches: yields (inputs [N, C, H, W], labels int64 [N]).
        parameters: names of the parameters to count; all of them by default.
        micro_batches: how many images go through the network at a time; the batches do not change.

    Raises:
        UnsupportedLayerError: a parameter is unknown or in half precision, or the batches hold no image.
        OutOfMemoryError: memory does not suffice for one image.
    """
    micro_batches = micro_batches or MicroBatches()
    counted = counted_parameters(network, parameters)
    sums = {name: torch.zeros_like(parameter, dtype=torch.float64) for name, parameter in counted.items()}
    count = samples = 0

    def mean_loss(inputs: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(network(inputs), labels)

    with evaluating(network):
        for inputs, labels in batches:
            device = next(network.parameters()).device
            batch = inputs.to(device), labels.to(device)

            def attempt(size: int, batch: tuple[Tensor, Tensor] = batch) -> tuple[Tensor, ...]:
                return gradient_in_parts(batch, size, mean_loss, [*counted.values()])

            gradients = micro_batches.run(len(labels), attempt, network=network, image_size=inputs.shape[-1])
            for total, gradient in zip(sums.values(), gradients, strict=True):
                total.add_(gradient.double().square())
            count += 1
            samples += len(labels)
    if not samples:
        raise UnsupportedLayerError("a Fisher diagonal needs at least one image; the batches held none")
    blocks = {name: (total / count).to(counted[name].dtype) for name, total in sums.items()}
    return FisherDiagonal(blocks, samples, parameter_layers(network, counted))
