"""The Fisher diagonal as a value, and the sums that it is made from."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

# Sums of squares are taken in the parameters' precision for this many samples, then moved to float64: single
# precision alone would drift with M, and adding to float64 after every batch would cost memory traffic.
SAMPLES_BETWEEN_FLUSHES = 128


@dataclass(frozen=True, eq=False)
class FisherDiagonal:
    """Diagonal of the Fisher information of one network on one set of images.

    Attributes:
        blocks: parameter name → block of the diagonal, a tensor of the parameter's shape, dtype and device; every
            entry is ≥ 0, in nats² per squared unit of the parameter.
        samples: M, the number of images that the mean was taken over.
        layers: the names in `blocks`, grouped into layers: a convolution or linear layer together with the norm
            that follows it is one layer, everything else stands alone.
    """

    blocks: Mapping[str, Tensor]
    samples: int
    layers: tuple[tuple[str, ...], ...]


class SquareSums:
    """Σ_i (∇_θ log p(y_i|x_i,θ))² per counted parameter, summed without drift.

    A rule asks for `of(parameter)`, a tensor of the parameter's shape to add to in place, or None where the
    parameter is not counted. Convolution weights are stored as [kh, C', kw, C], the order in which their rule produces
    squares; only the strides of the tensors that `of` returns show it.
    """

    def __init__(self, counted: Mapping[str, nn.Parameter]) -> None:
        self._names = {id(parameter): name for name, parameter in counted.items()}
        self._recent = {name: _zeros_like(parameter) for name, parameter in counted.items()}
        self._flushed: dict[str, Tensor] = {}
        self._samples_unflushed = 0
        self.samples = 0

    def of(self, parameter: Tensor | None) -> Tensor | None:
        """The running sum that belongs to `parameter`, or None where it is not counted."""
        name = self._names.get(id(parameter))
        return None if name is None else self._recent[name]

    def count(self, samples: int) -> None:
        """Close one batch of `samples` images."""
        self.samples += samples
        self._samples_unflushed += samples
        if self._samples_unflushed >= SAMPLES_BETWEEN_FLUSHES:
            self._flush()

    def mean(self) -> dict[str, Tensor]:
        """The mean over all samples, in the parameters' precision, contiguous.

        Entries are clamped at 0: where squares are expanded into pairs of positions, the pairs can cancel to a
        rounding error below 0.
        """
        if self._flushed:
            self._flush()
        sums = self._flushed or self._recent
        return {
            name: (block / self.samples).clamp_(min=0).to(self._recent[name].dtype).contiguous()
            for name, block in sums.items()
        }

    def _flush(self) -> None:
        for name, recent in self._recent.items():
            if name in self._flushed:
                self._flushed[name].add_(recent)
            else:
                self._flushed[name] = recent.double()
            recent.zero_()
        self._samples_unflushed = 0


def _zeros_like(parameter: Tensor) -> Tensor:
    if parameter.dim() != 4:
        return torch.zeros_like(parameter, requires_grad=False, memory_format=torch.contiguous_format)
    channels_out, channels_in, height, width = parameter.shape
    sums = parameter.new_zeros(height, channels_out, width, channels_in, requires_grad=False)
    return sums.permute(1, 3, 0, 2)
