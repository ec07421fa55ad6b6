"""The operations that an edge may carry; each keeps the shape [N, C, H, W] of its input.

Two of them are computed in a different way than in torch, with the same result, because torch is slow there on a
processor: dilated depthwise convolutions while they train (3 to 10 times), and the average pool (3 times, and its
gradient).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class DilatedDepthwiseConvolution(nn.Conv2d):
    """A depthwise convolution of dilation 2 that keeps height and width."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__(channels, channels, kernel, padding=kernel - 1, dilation=2, groups=channels, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        height, width = inputs.shape[2:]
        # In eval mode it is torch's own operation, so that exports and FLOP counters recognise it.
        if not self.training or inputs.device.type != "cpu" or height % 2 or width % 2:
            return super().forward(inputs)
        return self._by_parity(inputs)

    def _by_parity(self, inputs: Tensor) -> Tensor:
        """The same sum without dilation: rows of one parity only ever meet rows of that parity, columns likewise.

        So the four images of one parity each are laid side by side, with gaps of zeros as wide as the kernel
        reaches, convolved at once and put back.
        """
        batch, channels, height, width = inputs.shape
        rows, columns = height // 2, width // 2
        centre = self.kernel_size[0] // 2
        # A tap whose distance from the centre exceeds the image size meets only padding.
        reach = min(centre, max(rows, columns) - 1)
        taps = self.weight[:, :, centre - reach : centre + reach + 1, centre - reach : centre + reach + 1]
        tiles = inputs.permute(0, 2, 3, 1).reshape(batch, rows, 2, columns, 2, channels).transpose(1, 2).transpose(3, 4)
        tiles = F.pad(tiles, (0, 0, 0, reach, 0, 0, 0, reach))
        sheet = tiles.reshape(batch, 2 * (rows + reach), 2 * (columns + reach), channels).permute(0, 3, 1, 2)
        sums = F.conv2d(sheet, taps, padding=reach, groups=channels).permute(0, 2, 3, 1)
        tiles = sums.reshape(batch, 2, rows + reach, 2, columns + reach, channels)[:, :, :rows, :, :columns]
        return tiles.transpose(3, 4).transpose(1, 2).reshape(batch, height, width, channels).permute(0, 3, 1, 2)


class AveragePool(nn.Module):
    """The mean of each 3×3 neighbourhood; at the border, of the pixels inside the image, without padding."""

    def forward(self, inputs: Tensor) -> Tensor:
        if torch.compiler.is_exporting():  # one operation, which every runtime supports and runs fast
            return F.avg_pool2d(inputs, 3, stride=1, padding=1, count_include_pad=False)
        height, width = inputs.shape[2:]
        shares = _inverse_counts(height, inputs)[:, None] * _inverse_counts(width, inputs)
        sums: Tensor = _NeighbourSums.apply(inputs)
        return sums * shares


class _NeighbourSums(torch.autograd.Function):
    """The sum of each 3×3 neighbourhood, without padding: a symmetric map, so its gradient is the same sum.

    autograd's own gradient of the shifted sums fills and copies a whole tensor for each shift.
    """

    @staticmethod
    def forward(ctx: Any, maps: Tensor) -> Tensor:
        return _neighbour_sums(maps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _neighbour_sums(gradients[0])


def _neighbour_sums(maps: Tensor) -> Tensor:
    for axis in (2, 3):
        sums, inner = maps.clone(), maps.shape[axis] - 1
        sums.narrow(axis, 1, inner).add_(maps.narrow(axis, 0, inner))
        sums.narrow(axis, 0, inner).add_(maps.narrow(axis, 1, inner))
        maps = sums
    return maps


def _inverse_counts(side: int, like: Tensor) -> Tensor:
    """One over the number of pixels, itself and its neighbours, that lie inside: [side]."""
    position = torch.arange(side, device=like.device)
    inside = 1 + (position > 0).to(like.dtype) + (position < side - 1).to(like.dtype)
    return inside.reciprocal()


def separable_convolution(channels: int, kernel: int, dilation: int = 1) -> nn.Sequential:
    """ReLU, a depthwise and a pointwise convolution, batch norm; the padding keeps height and width."""
    depthwise = (
        nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False)
        if dilation == 1
        else DilatedDepthwiseConvolution(channels, kernel)
    )
    return nn.Sequential(nn.ReLU(), depthwise, nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels))


def factored_convolution(channels: int) -> nn.Sequential:
    """ReLU, a 1×7 and a 7×1 convolution over all channels, batch norm."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, channels, (1, 7), padding=(0, 3), bias=False),
        nn.Conv2d(channels, channels, (7, 1), padding=(3, 0), bias=False),
        nn.BatchNorm2d(channels),
    )


BUILDERS: dict[str, Callable[[int], nn.Module]] = {
    "identity": lambda channels: nn.Identity(),
    "sep_conv_3x3": lambda channels: separable_convolution(channels, 3),
    "sep_conv_5x5": lambda channels: separable_convolution(channels, 5),
    "dil_conv_3x3": lambda channels: separable_convolution(channels, 3, dilation=2),
    "dil_conv_5x5": lambda channels: separable_convolution(channels, 5, dilation=2),
    "conv_7x1_1x7": factored_convolution,
    "max_pool_3x3": lambda channels: nn.MaxPool2d(3, stride=1, padding=1),
    "avg_pool_3x3": lambda channels: AveragePool(),
}
"""Primitive name → the module for a given number of channels."""
