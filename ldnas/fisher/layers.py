"""Which parameters form a layer."""

from collections.abc import Collection

from torch import nn

_WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm)


def parameter_layers(network: nn.Module, counted: Collection[str]) -> tuple[tuple[str, ...], ...]:
    """Group the counted parameters of `network` into layers, in module order.

    A convolution or linear layer and the norm over its output channels that directly follows it in module order
    are one layer: the scale of one undoes that of the other, so only together do they have a meaning.
    """
    layers: list[tuple[str, ...]] = []
    seen: set[str] = set()
    previous: nn.Module | None = None
    for path, module in network.named_modules():
        own = [name for name in _own_parameters(path, module) if name in counted and name not in seen]
        is_leaf = next(module.children(), None) is None
        if own:
            seen.update(own)
            if previous is not None and _follows(module, previous):
                layers[-1] += tuple(own)
            else:
                layers.append(tuple(own))
        if own or is_leaf:
            previous = module if own else None
    return tuple(layers)


def _own_parameters(path: str, module: nn.Module) -> list[str]:
    prefix = f"{path}." if path else ""
    return [prefix + name for name, _ in module.named_parameters(recurse=False)]


def _follows(norm: nn.Module, weighted: nn.Module) -> bool:
    """Whether `norm` is a norm over exactly the output channels of `weighted`."""
    if not isinstance(norm, _NORMS) or not isinstance(weighted, _WEIGHTED):
        return False
    channels = weighted.out_features if isinstance(weighted, nn.Linear) else weighted.out_channels
    return norm.weight is not None and norm.weight.numel() == channels
