"""Weight gradients of grouped and depthwise convolutions, squared and summed over samples."""

from torch import Tensor
from torch.nn import functional as F
from torch.nn.grad import conv2d_weight


def add_grouped_squares(
    into: Tensor,
    x: Tensor,
    g: Tensor,
    *,
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
    dilation: tuple[int, int],
    groups: int,
) -> None:
    """Add Σ_i (∂/∂W)² to `into` [C', C/groups, kh, kw]; x [N, C, H, W], g [N, C', H', W'].

    With the samples folded into the groups, one ordinary weight gradient of N·groups groups holds the gradients of
    all samples, none summed with another.
    """
    n = len(x)
    folded_x = F.pad(x, padding).contiguous().flatten(0, 1).unsqueeze(0)
    folded_g = g.contiguous().flatten(0, 1).unsqueeze(0)
    shape = (n * into.shape[0], *into.shape[1:])
    gradients = conv2d_weight(folded_x, shape, folded_g, stride=stride, dilation=dilation, groups=n * groups)
    into.add_(gradients.view(n, *into.shape).square_().sum(0))
