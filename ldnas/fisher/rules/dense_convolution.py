"""Weight gradients of ungrouped convolutions, squared and summed over samples."""

from torch import Tensor
from torch.nn import functional as F

from ldnas.fisher.rules.blocks import add_squared_products
from ldnas.fisher.rules.geometry import ConvolutionGeometry
from ldnas.fisher.rules.kernel_taps import add_squares_by_taps

# Up to this many output positions (4×4), single taps are faster because they skip the padding, which is most of a
# padded kernel's reach; above it, one product per kernel row is faster.
FEW_POSITIONS = 16


def add_dense_squares(into: Tensor, x: Tensor, g: Tensor, geometry: ConvolutionGeometry) -> None:
    """Add Σ_i (∂/∂W)² to `into` [C', C, kh, kw]; x [N, C, H, W], g [N, C', H', W']."""
    pointwise = into.shape[2] * into.shape[3] == 1
    if pointwise or g.shape[2] * g.shape[3] <= FEW_POSITIONS:
        add_squares_by_taps(into.permute(2, 3, 0, 1), x, g, geometry)
    else:
        _add_squares_by_rows(into, x, g, geometry)


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
        add_squared_products(row_sums, g_rows, patches[:, first : last + 1 : geometry.stride[0]].flatten(1, 2))


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
