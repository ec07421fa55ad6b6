"""The return value of every rule."""

from typing import Protocol

from torch import Tensor

from ldnas.fisher.diagonal import SquareSums


class LayerCall(Protocol):
    """One call of a layer in the forward pass, kept until its output gradient is known."""

    @property
    def input(self) -> Tensor:
        """The layer's input; its first axis is the samples."""

    def add_squares(self, output_gradient: Tensor, sums: SquareSums) -> None:
        """Add Σ_i (∂ log p_i/∂θ)² to the sums of this layer's counted parameters.

        Row i of `output_gradient`, shaped as the layer's output, is the gradient of sample i's own loss.
        """
