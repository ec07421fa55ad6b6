"""How the squared per-sample gradients of each kind of layer are summed, one kind per file.

A rule is bound to one torch function. Called with that function's own arguments, it returns the `LayerCall` that
will turn the output gradient into sums of squares, or None where it cannot treat this call exactly.
"""

from collections.abc import Callable
from typing import Any

from torch.nn import functional as F

from ldnas.fisher.rules.call import LayerCall
from ldnas.fisher.rules.convolution import conv2d_rule
from ldnas.fisher.rules.linear import linear_rule
from ldnas.fisher.rules.normalisation import batch_norm_rule, group_norm_rule, instance_norm_rule, layer_norm_rule

RULES: dict[Callable[..., Any], Callable[..., LayerCall | None]] = {
    F.linear: linear_rule,
    F.conv2d: conv2d_rule,
    F.batch_norm: batch_norm_rule,
    F.group_norm: group_norm_rule,
    F.instance_norm: instance_norm_rule,
    F.layer_norm: layer_norm_rule,
}
