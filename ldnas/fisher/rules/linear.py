"""Linear layers."""

from dataclasses import dataclass

from torch import Tensor

from ldnas.fisher.diagonal import SquareSums


@dataclass(eq=False)
class LinearCall:
    """y = x Wᵀ + b, with x [N, D] or [N, ..., D]."""

    input: Tensor
    weight: Tensor
    bias: Tensor | None

    def add_squares(self, output_gradient: Tensor, sums: SquareSums) -> None:
        """Add the squares; for x [N, D] sample i's gradient is g_i x_iᵀ, so Σ_i of its squares is (g²)ᵀ(x²)."""
        weight_sum, bias_sum = sums.of(self.weight), sums.of(self.bias)
        g = output_gradient.flatten(1, -2) if output_gradient.dim() > 2 else output_gradient
        x = self.input.flatten(1, -2) if self.input.dim() > 2 else self.input
        if weight_sum is not None:
            if x.dim() == 2:
                weight_sum.addmm_(g.square().t(), x.square())
            else:
                weight_sum.add_((g.transpose(1, 2) @ x).square_().sum(0))
        if bias_sum is not None:
            bias_gradient = g if g.dim() == 2 else g.sum(1)
            bias_sum.add_(bias_gradient.square().sum(0))


def linear_rule(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> LinearCall | None:
    """The rule of `torch.nn.functional.linear`.

    None where the sample axis is in doubt: an unbatched input, or one with a second axis as long as the first
    (sequence-first layouts put the samples there).
    """
    if input.dim() < 2 or (len(input) > 1 and len(input) in input.shape[1:-1]):
        return None
    return LinearCall(input, weight, bias)
