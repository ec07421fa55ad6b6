"""Squared gradients one sample at a time: exact for any network, and slow."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from ldnas.fisher.diagonal import SquareSums


def add_squares_by_loop(
    network: nn.Module,
    counted: Mapping[str, nn.Parameter],
    sums: SquareSums,
    inputs: Tensor,
    loss_of: Callable[[Tensor, slice], Tensor],
) -> None:
    """Add Σ_i (∇_θ loss_i)² to `sums`, with one forward and backward pass per sample.

    `loss_of(logits, rows)` is the summed loss of the samples `rows` of this batch, given their logits.
    """
    parameters = list(counted.values())
    for row in range(len(inputs)):
        rows = slice(row, row + 1)
        with torch.enable_grad():
            loss = loss_of(network(inputs[rows]), rows)
        if not loss.requires_grad:
            continue  # no counted parameter has a part in this sample's loss
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            block = sums.of(parameter)
            if gradient is not None and block is not None:
                block.addcmul_(gradient, gradient)
