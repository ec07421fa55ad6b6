"""Folds batch norms with fixed statistics into the convolutions before them while a network trains."""

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.norm_act import BatchNormAct2d
from timm.layers.padding import pad_same
from torch import Tensor, nn

from ldnas.networks.depthwise import DepthwiseConv, SameDepthwiseConv

_CONVOLUTIONS = (nn.Conv2d, DepthwiseConv, SameDepthwiseConv, Conv2dSame)
_NORMS = (nn.BatchNorm2d, BatchNormAct2d)
_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class FoldedNorm:
    """A convolution with weights w and bias b, and a batch norm that alone takes its outputs.

    With a mean m and a variance v that are fixed, both together are one convolution, and the norm need not be computed:

        γ·(w∗x + b - m) / √(v + ε) + β = (s·w)∗x + (b - m)·s + β,   s = γ / √(v + ε)

    s·w is computed in every pass, so that autograd gives the exact gradients of w, b, γ and β.
    """

    convolution: nn.Conv2d
    norm: nn.BatchNorm2d

    def fold(self) -> None:
        """Replace the `forward` of the two modules; their parameters and names stay as they are."""
        # Objects, not functions: a deep copy of the network then refers to the modules of the copy.
        self.convolution.__dict__["forward"] = _FoldedConvolution(self)
        self.norm.__dict__["forward"] = _FoldedActivation(self)

    def unfold(self) -> None:
        """Restore the modules' own `forward`."""
        self.convolution.__dict__.pop("forward", None)
        self.norm.__dict__.pop("forward", None)


def folded_norms(network: nn.Module, like: Tensor) -> tuple[FoldedNorm, ...]:
    """The norms of `network` that can be folded; none are folded yet, and the network does not change.

    A pair is a convolution and a norm of torch's or timm's own classes, each called once, where the norm takes the very
    tensor that the convolution returns. Other code may read that tensor too: a copy with random statistics computes a
    random image folded and plain, and if the results differ, no norm is folded.

    Args:
        like: images `[N, 3, S, S]` of the shape that the network will take, N of 1 or more.
    """
    trial = copy.deepcopy(network).eval()
    generator = torch.Generator().manual_seed(0)
    for module in trial.modules():
        if isinstance(module, _NORMS):
            _draw(module, generator)
    image = torch.randn(1, *like.shape[1:], generator=generator).to(like)
    names, plain = _pairs(trial, image)
    for pair in _named(trial, names):
        pair.fold()
    with torch.no_grad():
        difference = torch.linalg.vector_norm(trial(image) - plain)
    if not difference <= _TOLERANCE * torch.linalg.vector_norm(plain):
        return ()
    return tuple(_named(network, names))


class _FoldedConvolution:
    def __init__(self, pair: FoldedNorm) -> None:
        self._pair = pair

    def __call__(self, input: Tensor) -> Tensor:
        own: Any = self._pair.convolution
        norm: Any = self._pair.norm
        if norm.training:
            return type(own).forward(own, input)  # type: ignore[no-any-return]
        scale = torch.rsqrt(norm.running_var + norm.eps)
        if norm.weight is not None:
            scale = norm.weight * scale
        bias = (-norm.running_mean if own.bias is None else own.bias - norm.running_mean) * scale
        if norm.bias is not None:
            bias = bias + norm.bias
        weight = own.weight * scale[:, None, None, None]
        if isinstance(self._pair.convolution, Conv2dSame):
            input = pad_same(input, own.kernel_size, own.stride, own.dilation)
        outputs: Tensor = own._conv_forward(input, weight, bias)
        return outputs


class _FoldedActivation:
    def __init__(self, pair: FoldedNorm) -> None:
        self._pair = pair

    def __call__(self, input: Tensor) -> Tensor:
        norm: Any = self._pair.norm
        if norm.training:
            return type(norm).forward(norm, input)  # type: ignore[no-any-return]
        return norm.act(norm.drop(input)) if isinstance(norm, BatchNormAct2d) else input


def _draw(norm: nn.BatchNorm2d, generator: torch.Generator) -> None:
    """Random values, so that no scale of 0 hides a wrong path."""
    for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        if tensor is not None:
            tensor.data.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)


@torch.no_grad()
def _pairs(network: nn.Module, image: Tensor) -> tuple[list[tuple[str, str]], Tensor]:
    """The names of the convolutions and norms that follow on each other, and the network's outputs for `image`."""
    convolutions: dict[str, list[Tensor]] = {}
    norms: dict[str, list[Tensor]] = {}
    hooks = []
    for name, module in network.named_modules():
        if type(module) in _CONVOLUTIONS:
            kept = convolutions.setdefault(name, [])
            hooks.append(module.register_forward_hook(lambda _, inputs, outputs, kept=kept: kept.append(outputs)))
        elif type(module) in _NORMS and module.running_mean is not None:
            kept = norms.setdefault(name, [])
            hooks.append(module.register_forward_pre_hook(lambda _, inputs, kept=kept: kept.append(inputs[0])))
    outputs = network(image)
    for hook in hooks:
        hook.remove()
    names = [
        (convolution, norm)
        for norm, taken in norms.items()
        for convolution, given in convolutions.items()
        if len(taken) == len(given) == 1 and taken[0] is given[0]
    ]
    return names, outputs


def _named(network: nn.Module, names: Iterable[tuple[str, str]]) -> list[FoldedNorm]:
    modules: dict[str, Any] = dict(network.named_modules())
    return [FoldedNorm(modules[convolution], modules[norm]) for convolution, norm in names]
