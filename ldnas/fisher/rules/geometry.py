"""Where a convolution's kernel meets its input."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ConvolutionGeometry:
    """Stride, zero padding and dilation of a two-dimensional convolution, in pixels; pairs are (down, across).

    Attributes:
        padding: (left, right, top, bottom), the order of `torch.nn.functional.pad`.
        groups: number of groups that the channels fall into.
    """

    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    dilation: tuple[int, int]
    groups: int

    def rows_reached(self, tap: int, height: int, outputs: int) -> range:
        """Output rows at which kernel row `tap` lies on the input's `height` rows, not in the padding."""
        return _reached(tap * self.dilation[0] - self.padding[2], self.stride[0], height, outputs)

    def columns_reached(self, tap: int, width: int, outputs: int) -> range:
        """Output columns at which kernel column `tap` lies on the input's `width` columns."""
        return _reached(tap * self.dilation[1] - self.padding[0], self.stride[1], width, outputs)

    def input_rows(self, tap: int, outputs: range) -> slice:
        """The input rows under kernel row `tap` at the output rows `outputs`, which must be reached."""
        return _under(tap * self.dilation[0] - self.padding[2], self.stride[0], outputs)

    def input_columns(self, tap: int, outputs: range) -> slice:
        """The input columns under kernel column `tap` at the output columns `outputs`."""
        return _under(tap * self.dilation[1] - self.padding[0], self.stride[1], outputs)


def _reached(offset: int, stride: int, size: int, outputs: int) -> range:
    """The y in [0, outputs) with 0 ≤ y·stride + offset < size."""
    first = max(0, -(offset // stride))
    stop = min(outputs, (size - 1 - offset) // stride + 1)
    return range(first, max(first, stop))


def _under(offset: int, stride: int, outputs: range) -> slice:
    return slice(outputs.start * stride + offset, (outputs.stop - 1) * stride + offset + 1, stride)
