"""Two-dimensional convolutions."""

from dataclasses import dataclass

from torch import Tensor

from ldnas.fisher.diagonal import SquareSums
from ldnas.fisher.rules.convolution_squares import ConvolutionGeometry, add_dense_squares, add_grouped_squares


@dataclass(eq=False)
class Conv2dCall:
    """y = W ∗ x + b with x [N, C, H, W], W [C', C/groups, kh, kw]."""

    input: Tensor
    weight: Tensor
    bias: Tensor | None
    geometry: ConvolutionGeometry

    def add_squares(self, output_gradient: Tensor, sums: SquareSums) -> None:
        """Add the squares; sample i's gradient is the correlation of its own x and g."""
        weight_sum, bias_sum = sums.of(self.weight), sums.of(self.bias)
        if weight_sum is not None:
            add = add_dense_squares if self.geometry.groups == 1 else add_grouped_squares
            add(weight_sum, self.input, output_gradient, self.geometry)
        if bias_sum is not None:
            bias_sum.add_(output_gradient.sum((2, 3)).square_().sum(0))


def conv2d_rule(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, int] = 1,
    padding: str | int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
) -> Conv2dCall | None:
    """The rule of `torch.nn.functional.conv2d`; None for an unbatched input."""
    if input.dim() != 4:
        return None
    dilation = _pair(dilation)
    sides = _sides(padding, (weight.shape[2], weight.shape[3]), dilation)
    return Conv2dCall(input, weight, bias, ConvolutionGeometry(_pair(stride), sides, dilation, groups))


def _pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    return (value[0], value[-1])


def _sides(
    padding: str | int | tuple[int, ...], kernel: tuple[int, int], dilation: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Zero padding as (left, right, top, bottom), in pixels."""
    if padding == "valid":
        return 0, 0, 0, 0
    if padding == "same":
        down, across = ((k - 1) * d for k, d in zip(kernel, dilation, strict=True))
        return across // 2, across - across // 2, down // 2, down - down // 2
    assert not isinstance(padding, str)
    down, across = _pair(padding)
    return across, across, down, down
