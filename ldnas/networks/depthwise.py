"""A depthwise convolution whose weight gradient is fast on small feature maps."""

from typing import Any, Self

import torch
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.padding import pad_same
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

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if not (torch.is_grad_enabled() and weight.requires_grad and self._is_small(input)):
            outputs: Tensor = super()._conv_forward(input, weight, bias)
            return outputs
        outputs = _SmallMaps.apply(input, weight, self.stride, self.padding, self.dilation)
        return outputs if bias is None else outputs + bias[:, None, None]

    def _is_small(self, input: Tensor) -> bool:
        height, width = (
            (
                input.shape[axis]
                + 2 * int(self.padding[place])
                - self.dilation[place] * (self.weight.shape[axis] - 1)
                - 1
            )
            // self.stride[place]
            + 1
            for place, axis in enumerate((2, 3))
        )
        return input.device.type == "cpu" and height * width <= LARGEST_MAP


class SameDepthwiseConv(DepthwiseConv):
    """timm's `Conv2dSame` with one filter for each channel: its padding depends on the size of the image."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        padded = pad_same(input, list(self.kernel_size), list(self.stride), list(self.dilation))
        return super()._conv_forward(padded, weight, bias)


_REPLACEMENTS: dict[type[nn.Module], type[DepthwiseConv]] = {nn.Conv2d: DepthwiseConv, Conv2dSame: SameDepthwiseConv}


def use_fast_depthwise(module: nn.Module) -> None:
    """Replace every depthwise convolution within `module`, in place; parameters and their names stay the same."""
    for name, child in module.named_children():
        if isinstance(child, nn.Conv2d) and type(child) in _REPLACEMENTS and _is_plain_depthwise(child):
            setattr(module, name, _REPLACEMENTS[type(child)].of(child))
        else:
            use_fast_depthwise(child)


def _is_plain_depthwise(convolution: nn.Conv2d) -> bool:
    one_each = convolution.groups == convolution.in_channels == convolution.out_channels
    return one_each and convolution.padding_mode == "zeros" and not isinstance(convolution.padding, str)


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
