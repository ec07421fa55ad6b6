"""Counts the parameters and multiply-adds of a network from its genotype and skeleton, without building it."""

from dataclasses import dataclass

from ldnas.space.genotype import Genotype
from ldnas.space.skeleton import Skeleton

_KERNELS = {"sep_conv_3x3": 3, "sep_conv_5x5": 5, "dil_conv_3x3": 3, "dil_conv_5x5": 5}


@dataclass(frozen=True)
class _Count:
    """Trainable parameters and multiply-adds of a part of the network."""

    parameters: int
    multiply_adds: int


def parameters(genotype: Genotype, skeleton: Skeleton) -> int:
    """Number of trainable parameters: convolutions, batch norms' scales and shifts, the head with its bias."""
    return sum(part.parameters for part in _parts(genotype, skeleton))


def multiply_adds(genotype: Genotype, skeleton: Skeleton) -> int:
    """Multiply-adds for one image, of convolutions and the head; half of the FLOPs that torch counts.

    Multiplications with padding count, batch norm, ReLU, pooling and sums do not.
    """
    return sum(part.multiply_adds for part in _parts(genotype, skeleton))


def _parts(genotype: Genotype, skeleton: Skeleton) -> list[_Count]:
    parts = []
    channels = 3
    for stage, side in zip(skeleton.stages, skeleton.sides, strict=True):
        # The stem of the first stage and the reduction of every other one are 3×3 convolutions with batch norm.
        parts.append(_convolution(9 * channels * stage.channels, stage.channels, side))
        cell = [_operation(primitive, stage.channels, side) for primitive in genotype.primitives]
        parts.extend(cell * stage.cells)
        channels = stage.channels
    head_weights = channels * skeleton.classes
    parts.append(_Count(head_weights + skeleton.classes, head_weights))
    return parts


def _convolution(weights: int, channels_out: int, side: int) -> _Count:
    return _Count(weights + 2 * channels_out, weights * side * side)


def _operation(primitive: str, channels: int, side: int) -> _Count:
    if primitive in _KERNELS:
        return _convolution(_KERNELS[primitive] ** 2 * channels + channels**2, channels, side)
    if primitive == "conv_7x1_1x7":
        return _convolution(2 * 7 * channels**2, channels, side)
    return _Count(0, 0)
