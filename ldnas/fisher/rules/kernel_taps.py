"""Convolution weight gradients one kernel tap at a time, for layers with few output positions."""

from collections.abc import Iterator

import torch
from torch import Tensor

from ldnas.fisher.rules.blocks import add_squared_products
from ldnas.fisher.rules.geometry import ConvolutionGeometry

# T positions make T(T+1)/2 pairs; up to 4 positions those 10 products cost less than storing and squaring a gradient.
POSITIONS_FOR_PAIRS = 4


def add_squares_by_taps(sums: Tensor, x: Tensor, g: Tensor, geometry: ConvolutionGeometry) -> None:
    """Add Σ_i (∂/∂W)² to `sums` [kh, kw, C', C]; x [N, C, H, W], g [N, C', H', W'].

    At one tap a sample's gradient is Σ_t g_t u_tᵀ over the output positions t at which the tap lies on the image.
    """
    for row, column, g_tap, u_tap in _taps(sums, x, g, geometry):
        if g_tap.shape[1] <= POSITIONS_FOR_PAIRS:
            _add_squares_by_pairs(sums[row, column], g_tap, u_tap)
        else:
            add_squared_products(sums[row, column], g_tap, u_tap)


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
