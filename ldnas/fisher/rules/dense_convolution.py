"""Weight gradients of ungrouped convolutions, squared and summed over samples."""

import torch
from torch import Tensor
from torch.nn import functional as F

# Per-sample gradients are squared block by block: a block of this many bytes still lies in the cache when it is read
# again. Measured on CPU; 1 to 4 MB are alike.
BLOCK_BYTES = 2 * 2**20


def add_dense_squares(
    into: Tensor,
    x: Tensor,
    g: Tensor,
    *,
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
    dilation: tuple[int, int],
    groups: int,
) -> None:
    """Add Σ_i (∂/∂W)² to `into` [C', C, kh, kw], channels-last; x [N, C, H, W], g [N, C', H', W'].

    Patches are laid out along the width only, u [N, rows, W', kw·C]; kernel row r then needs the rows r·dilation +
    stride·(0 … H'-1), which for stride 1 are a view. One batched product per kernel row gives the gradients of a few
    samples, which are squared and added while they are in the cache.
    """
    n, channels_out, height, width = g.shape
    kh, kw = into.shape[2:]
    patches = _width_patches(x, kw, width, stride[1], padding, dilation[1])
    g_rows = g.permute(0, 2, 3, 1).reshape(n, height * width, channels_out)
    sums = into.permute(2, 0, 3, 1).flatten(2)  # [kh, C', kw·C], a view
    per_block = max(1, min(n, BLOCK_BYTES // (sums[0].numel() * into.element_size())))
    block = x.new_empty(per_block, *sums.shape[1:])
    for row in range(kh):
        first = row * dilation[0]
        u = patches[:, first : first + stride[0] * (height - 1) + 1 : stride[0]].flatten(1, 2)
        for start in range(0, n, per_block):
            stop = min(start + per_block, n)
            gradient = block[: stop - start]
            torch.bmm(g_rows[start:stop].transpose(1, 2), u[start:stop], out=gradient)
            sums[row].add_(gradient.square_().sum(0))


def _width_patches(
    x: Tensor, kw: int, width: int, stride: int, padding: tuple[int, int, int, int], dilation: int
) -> Tensor:
    """[N, rows, W', kw·C]: at each padded row and output column the kw input columns that the kernel covers."""
    rows = F.pad(x, padding).permute(0, 2, 3, 1).contiguous()
    n, height, _, channels = rows.shape
    per_sample, per_row, per_column, _ = rows.stride()
    windows = rows.as_strided(
        (n, height, width, kw, channels), (per_sample, per_row, stride * per_column, dilation * per_column, 1)
    )
    return windows.reshape(n, height, width, kw * channels)
