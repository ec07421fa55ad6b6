"""A depthwise convolution whose weight gradient is fast on small feature maps."""

from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.grad import conv2d_input

LARGEST_MAP = 16
"""The most output pixels for which the sum over the filter's taps is used."""

Pair = tuple[int, ...]


class DepthwiseConv(nn.Conv2d):
    """`nn.Conv2d` with one filter for each channel; equal results up to rounding.

    On a processor oneDNN computes the weight gradient of a depthwise convolution in a time that hardly falls with the
    size of the map; a sum over the taps of the filter is faster on small maps. A training step of EfficientNet-Lite0 is
    2.5 times as fast on images of 32 pixels and 1.75 times on 64 (`benchmarks/results/2026-11-30_depthwise`).
    """

    @classmethod
    def of(cls, convolution: nn.Conv2d) -> Self:
        """The same convolution; it shares the parameters."""
        own = cls.__new__(cls)
        own.__dict__ = convolution.__dict__
        return own

    def forward(self, input: Tensor) -> Tensor:
        if not (torch.is_grad_enabled() and self.weight.requires_grad and self._is_small(input)):
            return super().forward(input)
        outputs: Tensor = _SmallMaps.apply(input, self.weight, self.stride, self.padding, self.dilation)
        return outputs if self.bias is None else outputs + self.bias[:, None, None]

    def _is_small(self, input: Tensor) -> bool:
        pixels = input.shape[-2] * input.shape[-1] // (self.stride[0] * self.stride[1])
        return input.device.type == "cpu" and pixels <= LARGEST_MAP


def use_fast_depthwise(module: nn.Module) -> None:
    """Replace every depthwise convolution within `module`, in place; parameters and their names stay the same."""
    for name, child in module.named_children():
        if type(child) is nn.Conv2d and child.groups == child.in_channels == child.out_channels:
            setattr(module, name, DepthwiseConv.of(child))
        else:
            use_fast_depthwise(child)


class _SmallMaps(torch.autograd.Function):
    """A depthwise convolution whose weight gradient is a sum over the taps of the filter.

    ∂L/∂w[c, i, j] = Σ_{n, y, x} padded[n, c, s·y + d·i, s·x + d·j] · ∂L/∂out[n, c, y, x]
    """

    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, stride: Pair, padding: Pair, dilation: Pair) -> Tensor:
        ctx.save_for_backward(input, weight)
        ctx.geometry = stride, padding, dilation
        return F.conv2d(input, weight, None, stride, padding, dilation, len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, None, None, None]:
        (of_outputs,), (input, weight) = gradients, ctx.saved_tensors
        stride, padding, dilation = ctx.geometry
        of_inputs = None
        if ctx.needs_input_grad[0]:
            of_inputs = conv2d_input(input.shape, weight, of_outputs, stride, padding, dilation, groups=len(weight))
        taps = [
            [
                _overlap(input.shape[axis], of_outputs.shape[axis], place, *geometry)
                for place in range(weight.shape[axis])
            ]
            for axis, geometry in zip((2, 3), zip(*ctx.geometry, strict=True), strict=True)
        ]
        of_weights = torch.zeros_like(weight)
        for i, (rows, of_rows) in enumerate(taps[0]):
            for j, (columns, of_columns) in enumerate(taps[1]):
                met = input[:, :, rows, columns] * of_outputs[:, :, of_rows, of_columns]
                of_weights[:, 0, i, j] = met.sum(dim=(0, 2, 3))
        return of_inputs, of_weights, None, None, None


def _overlap(inputs: int, outputs: int, place: int, stride: int, padding: int, dilation: int) -> tuple[slice, slice]:
    """The input pixels that the tap at `place` meets along one axis, and the output pixels that they add to."""
    shift = dilation * place - padding
    first, last = max(0, -(shift // stride)), min(outputs - 1, (inputs - 1 - shift) // stride)
    start, count = first * stride + shift, max(0, last - first + 1)
    return slice(start, start + count * stride, stride), slice(first, first + count)
