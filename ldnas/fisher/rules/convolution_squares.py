"""Weight gradients of two-dimensional convolutions, squared and summed over samples.

An ungrouped convolution takes one product per kernel row, or per kernel tap where the output has few positions; a
grouped one takes one weight gradient with the samples folded into the groups.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.grad import conv2d_weight

# Up to this many output positions (4×4), single taps are faster because they skip the padding, which is most of a
# padded kernel's reach; above it, one product per kernel row is faster.
FEW_POSITIONS = 16
# T positions make T(T+1)/2 pairs; up to 4 positions those 10 products cost less than storing and squaring a gradient.
POSITIONS_FOR_PAIRS = 4
# A block of per-sample gradients should still lie in the cache when it is read again to be squared. With 512 kB of
# second-level cache a core, 0.5 to 2 MB measured alike and 8 MB slower.
BLOCK_BYTES = 2**20
# Gradients at least this large are squared into the sum one by one, in a single pass over memory; for smaller ones
# that many calls would cost more than the passes they save.
LARGE_GRADIENT_BYTES = 2**17


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


def add_dense_squares(into: Tensor, x: Tensor, g: Tensor, geometry: ConvolutionGeometry) -> None:
    """Add Σ_i (∂/∂W)² to `into` [C', C, kh, kw]; x [N, C, H, W], g [N, C', H', W']."""
    pointwise = into.shape[2] * into.shape[3] == 1
    if pointwise or g.shape[2] * g.shape[3] <= FEW_POSITIONS:
        _add_squares_by_taps(into.permute(2, 3, 0, 1), x, g, geometry)
    else:
        _add_squares_by_rows(into, x, g, geometry)


def add_grouped_squares(into: Tensor, x: Tensor, g: Tensor, geometry: ConvolutionGeometry) -> None:
    """Add Σ_i (∂/∂W)² to `into` [C', C/groups, kh, kw]; x [N, C, H, W], g [N, C', H', W'].

    With the samples folded into the groups, one ordinary weight gradient of N·groups groups holds the gradients of
    all samples, none summed with another.
    """
    n = len(x)
    folded_x = F.pad(x, geometry.padding).contiguous().flatten(0, 1).unsqueeze(0)
    folded_g = g.contiguous().flatten(0, 1).unsqueeze(0)
    gradients = conv2d_weight(
        folded_x,
        (n * into.shape[0], *into.shape[1:]),
        folded_g,
        stride=geometry.stride,
        dilation=geometry.dilation,
        groups=n * geometry.groups,
    )
    into.add_(gradients.view(n, *into.shape).square_().sum(0))


def _add_squares_by_rows(into: Tensor, x: Tensor, g: Tensor, geometry: ConvolutionGeometry) -> None:
    """One batched product per kernel row.

    Patches are laid out along the width only, [N, rows, W', kw·C]; kernel row r then needs the rows
    r·dilation + stride·(0 … H'-1), which for stride 1 are a view.
    """
    height, width = g.shape[2:]
    sums = into.permute(2, 0, 3, 1)
    sums = sums.view(*sums.shape[:2], -1)  # [kh, C', kw·C]; fails where the sums' layout would force a copy
    patches = _width_patches(x, into.shape[3], width, geometry)
    g_rows = g.permute(0, 2, 3, 1).flatten(1, 2)
    for row, row_sums in enumerate(sums):
        first = row * geometry.dilation[0]
        last = first + geometry.stride[0] * (height - 1)
        _add_squared_products(row_sums, g_rows, patches[:, first : last + 1 : geometry.stride[0]].flatten(1, 2))


def _width_patches(x: Tensor, kw: int, width: int, geometry: ConvolutionGeometry) -> Tensor:
    """[N, rows, W', kw·C]: at each padded row and output column the kw input columns that the kernel covers."""
    rows = F.pad(x, geometry.padding).permute(0, 2, 3, 1).contiguous()
    n, height, _, channels = rows.shape
    per_sample, per_row, per_column, _ = rows.stride()
    windows = rows.as_strided(
        (n, height, width, kw, channels),
        (per_sample, per_row, geometry.stride[1] * per_column, geometry.dilation[1] * per_column, 1),
    )
    return windows.reshape(n, height, width, kw * channels)


def _add_squares_by_taps(sums: Tensor, x: Tensor, g: Tensor, geometry: ConvolutionGeometry) -> None:
    """Add Σ_i (∂/∂W)² to `sums` [kh, kw, C', C]; x [N, C, H, W], g [N, C', H', W'].

    At one tap a sample's gradient is Σ_t g_t u_tᵀ over the output positions t at which the tap lies on the image.
    """
    for row, column, g_tap, u_tap in _taps(sums, x, g, geometry):
        if g_tap.shape[1] <= POSITIONS_FOR_PAIRS:
            _add_squares_by_pairs(sums[row, column], g_tap, u_tap)
        else:
            _add_squared_products(sums[row, column], g_tap, u_tap)


def _taps(
    sums: Tensor, x: Tensor, g: Tensor, geometry: ConvolutionGeometry
) -> Iterator[tuple[int, int, Tensor, Tensor]]:
    """(row, column, g [N, T, C'], u [N, T, C]) of every tap that meets the image at T ≥ 1 positions."""
    x_last, g_last = x.permute(0, 2, 3, 1), g.permute(0, 2, 3, 1)
    for row in range(sums.shape[0]):
        down = geometry.rows_reached(row, x.shape[2], g.shape[2])
        for column in range(sums.shape[1]):
            across = geometry.columns_reached(column, x.shape[3], g.shape[3])
            if not down or not across:
                continue
            g_tap = g_last[:, down.start : down.stop, across.start : across.stop]
            u_tap = x_last[:, geometry.input_rows(row, down), geometry.input_columns(column, across)]
            yield row, column, g_tap.flatten(1, 2), u_tap.flatten(1, 2)


def _add_squares_by_pairs(into: Tensor, g: Tensor, u: Tensor) -> None:
    """Add Σ_i (Σ_t g_t u_tᵀ)² = Σ_i Σ_{t≤t'} w (g_t g_t')(u_t u_t')ᵀ, w = 1 on t = t' and 2 elsewhere.

    One product over samples and pairs: no per-sample gradient is ever stored. The pairs may cancel, so a sum can
    come out a rounding error below 0.
    """
    first, second = torch.triu_indices(g.shape[1], g.shape[1], device=g.device).unbind()
    weights = (1 + (first != second).to(g.dtype)).unsqueeze(1)
    g_pairs = g[:, first].mul_(g[:, second]).mul_(weights).flatten(0, 1)
    u_pairs = u[:, first].mul_(u[:, second]).flatten(0, 1)
    into.addmm_(g_pairs.t(), u_pairs)


def _add_squared_products(into: Tensor, g: Tensor, u: Tensor) -> None:
    """Add Σ_i (g_iᵀ u_i)², squared entry by entry, to `into` [P, Q]; g [N, T, P], u [N, T, Q]."""
    samples = len(g)
    gradient_bytes = into.numel() * into.element_size()
    per_block = max(1, min(samples, BLOCK_BYTES // gradient_bytes))
    block = g.new_empty(per_block, *into.shape)
    for start in range(0, samples, per_block):
        stop = min(start + per_block, samples)
        gradients = block[: stop - start]
        torch.bmm(g[start:stop].transpose(1, 2), u[start:stop], out=gradients)
        if gradient_bytes >= LARGE_GRADIENT_BYTES:
            for gradient in gradients:
                into.addcmul_(gradient, gradient)
        else:
            into.add_(gradients.square_().sum(0))


def _reached(offset: int, stride: int, size: int, outputs: int) -> range:
    """The y in [0, outputs) with 0 ≤ y·stride + offset < size."""
    first = max(0, -(offset // stride))
    stop = min(outputs, (size - 1 - offset) // stride + 1)
    return range(first, max(first, stop))


def _under(offset: int, stride: int, outputs: range) -> slice:
    return slice(outputs.start * stride + offset, (outputs.stop - 1) * stride + offset + 1, stride)
