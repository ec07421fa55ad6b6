"""The affine part of the norms that treat every sample on its own: y = γ x̂ + β."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from ldnas.errors import UnsupportedLayerError
from ldnas.fisher.diagonal import SquareSums


@dataclass(eq=False)
class ChannelNormCall:
    """γ, β [C] over x [N, C, ...]: batch norm with running statistics, group norm, instance norm."""

    input: Tensor
    weight: Tensor | None
    bias: Tensor | None
    running_mean: Tensor | None
    running_var: Tensor | None
    groups: int | None
    eps: float

    def add_squares(self, output_gradient: Tensor, sums: SquareSums) -> None:
        """Add the squares of Σ_t g x̂ (for γ) and Σ_t g (for β), t over the positions of one sample."""
        weight_sum, bias_sum = sums.of(self.weight), sums.of(self.bias)
        g = output_gradient.flatten(2) if output_gradient.dim() > 2 else output_gradient.unsqueeze(2)
        if weight_sum is not None:
            x_hat = self._normalised().view_as(output_gradient)
            x_hat = x_hat.flatten(2) if x_hat.dim() > 2 else x_hat.unsqueeze(2)
            weight_sum.add_(x_hat.mul(g).sum(2).square_().sum(0))
        if bias_sum is not None:
            bias_sum.add_(g.sum(2).square_().sum(0))

    def _normalised(self) -> Tensor:
        if self.groups is not None:
            return F.group_norm(self.input, self.groups, eps=self.eps)
        return F.batch_norm(self.input, self.running_mean, self.running_var, eps=self.eps)


@dataclass(eq=False)
class LayerNormCall:
    """γ, β of the normalised shape over x [N, ..., *shape]."""

    input: Tensor
    weight: Tensor | None
    bias: Tensor | None
    shape: tuple[int, ...]
    eps: float

    def add_squares(self, output_gradient: Tensor, sums: SquareSums) -> None:
        """Add the squares of Σ_t g x̂ and Σ_t g, t over the axes between the samples and the normalised shape."""
        weight_sum, bias_sum = sums.of(self.weight), sums.of(self.bias)
        per_position = (len(output_gradient), -1, *self.shape)
        g = output_gradient.reshape(per_position)
        if weight_sum is not None:
            x_hat = F.layer_norm(self.input, self.shape, eps=self.eps).reshape(per_position)
            weight_sum.add_((g * x_hat).sum(1).square_().sum(0))
        if bias_sum is not None:
            bias_sum.add_(g.sum(1).square_().sum(0))


def batch_norm_rule(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> ChannelNormCall:
    """The rule of `torch.nn.functional.batch_norm`.

    Raises:
        UnsupportedLayerError: the batch's own statistics are used, so no sample has a gradient of its own.
    """
    if training:
        raise UnsupportedLayerError(
            "a batch norm uses the statistics of the batch even in eval mode, so its samples are not independent; "
            "give it running statistics (track_running_stats=True)"
        )
    return ChannelNormCall(input, weight, bias, running_mean, running_var, None, eps)


def group_norm_rule(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> ChannelNormCall:
    """The rule of `torch.nn.functional.group_norm`."""
    return ChannelNormCall(input, weight, bias, None, None, num_groups, eps)


def instance_norm_rule(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> ChannelNormCall:
    """The rule of `torch.nn.functional.instance_norm`: a group norm of one channel a group, or a batch norm."""
    groups = input.shape[1] if use_input_stats else None
    return ChannelNormCall(input, weight, bias, running_mean, running_var, groups, eps)


def layer_norm_rule(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> LayerNormCall | None:
    """The rule of `torch.nn.functional.layer_norm`; None where the sample axis is in doubt or is normalised over."""
    shape = tuple(normalized_shape)
    between = input.shape[1 : input.dim() - len(shape)]
    if input.dim() <= len(shape) or (len(input) > 1 and len(input) in between):
        return None
    return LayerNormCall(input, weight, bias, shape, eps)
