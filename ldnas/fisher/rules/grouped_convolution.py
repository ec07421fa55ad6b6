"""Weight gradients of grouped and depthwise convolutions, squared and summed over samples."""

from torch import Tensor
from torch.nn import functional as F
from torch.nn.grad import conv2d_weight

from ldnas.fisher.rules.geometry import ConvolutionGeometry


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
