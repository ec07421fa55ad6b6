"""How the squared per-sample gradients of each kind of layer are summed.

A rule is bound to one torch function. Called with that function's own arguments, it returns the `LayerCall` that
will turn the output gradient into sums of squares, or None where it cannot treat this call exactly.
"""

from collections.abc import Callable
from typing import Any, Protocol

from torch import Tensor
from torch.nn import functional as F

from ldnas.fisher.diagonal import SquareSums
from ldnas.fisher.rules.convolution import conv2d_rule
from ldnas.fisher.rules.linear import linear_rule
from ldnas.fisher.rules.normalisation import batch_norm_rule, group_norm_rule, instance_norm_rule, layer_norm_rule


class LayerCall(Protocol):
    """One call of a layer in the forward pass, kept until its output gradient is known."""

    @property
    def input(self) -> Tensor:
        """The layer's input; its first axis is the samples."""

    def add_squares(self, output_gradient: Tensor, sums: SquareSums) -> None:
        """Add Σ_i (∂ log p_i/∂θ)² to the sums of this layer's counted parameters.

        Row i of `output_gradient`, shaped as the layer's output, is the gradient of sample i's own loss.
        """


RULES: dict[Callable[..., Any], Callable[..., LayerCall | None]] = {
    F.linear: linear_rule,
    F.conv2d: conv2d_rule,
    F.batch_norm: batch_norm_rule,
    F.group_norm: group_norm_rule,
    F.instance_norm: instance_norm_rule,
    F.layer_norm: layer_norm_rule,
}
