"""Networks of timm and torchvision without their classifiers, by name."""

from dataclasses import dataclass
from typing import Any

import timm
import torchvision
from torch import nn
from torchvision.ops import StochasticDepth

from ldnas.errors import InvalidSearchError
from ldnas.networks.design import TORCHVISION

ARCHITECTURE_FIELD = "pretrained.architecture"

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_DEVIATION = (0.229, 0.224, 0.225)

_REFUSED_OF_TORCHVISION = {
    "vit_": "takes images of one size alone",
    "maxvit_": "takes images of one size alone",
    "googlenet": "has classifiers between its layers",
    "inception_": "has classifiers between its layers",
}
"""The reasons for refusing networks, by the beginnings of their names.

Those with several classifiers also scale their images, or do not, by a setting that belongs to the weights.
"""


@dataclass(frozen=True, eq=False)
class Backbone:
    """A network without its classifier.

    Attributes:
        network: features `[N, D]` of images `[N, 3, S, S]`.
        features: D.
        mean, deviation: of its images in [0, 1], for each channel.
        classifier: the beginnings of the names that the tensors of its classifier have.
    """

    network: nn.Module
    features: int
    mean: tuple[float, ...] = _IMAGENET_MEAN
    deviation: tuple[float, ...] = _IMAGENET_DEVIATION
    classifier: tuple[str, ...] = ()


def backbone_of(architecture: str) -> Backbone:
    """The network of this name with fresh weights.

    Args:
        architecture: its name in timm, without a tag, or `torchvision/` and its name in torchvision.

    Raises:
        InvalidSearchError: the library does not have such a network, or the network is not accepted.
    """
    if architecture.startswith(TORCHVISION):
        return _of_torchvision(architecture.removeprefix(TORCHVISION))
    if not timm.is_model(architecture):
        raise InvalidSearchError(
            f"timm {timm.__version__} has no network {architecture!r}; a name of `timm.list_models()` is accepted, or "
            f"{TORCHVISION} and a name of torchvision",
            field=ARCHITECTURE_FIELD,
        )
    return of_timm(timm.create_model(architecture, pretrained=False, num_classes=0), architecture)


def of_timm(network: Any, architecture: str) -> Backbone:
    """The backbone of a network of timm, which loses its classifier.

    Raises:
        InvalidSearchError: it takes images of one size alone.
    """
    settings = network.pretrained_cfg
    if settings.get("fixed_input_size"):
        raise InvalidSearchError(
            f"{architecture} takes images of one size alone; a network for images of any size is accepted",
            field=ARCHITECTURE_FIELD,
        )
    network.reset_classifier(0)
    classifiers = settings["classifier"]
    names = (classifiers,) if isinstance(classifiers, str) else classifiers
    return Backbone(
        network, network.head_hidden_size, settings["mean"], settings["std"], tuple(f"{name}." for name in names)
    )


def _of_torchvision(name: str) -> Backbone:
    """The backbone of a network of torchvision.

    Its last layer, which is linear or a convolution of one pixel, becomes the identity; so D is the number of inputs of
    that layer. As in timm's networks by default, no unit or layer is dropped at random.
    """
    if name not in torchvision.models.list_models(module=torchvision.models):
        raise InvalidSearchError(
            f"torchvision {torchvision.__version__} has no network {name!r}; {TORCHVISION} and a name of "
            "`torchvision.models.list_models(module=torchvision.models)` is accepted",
            field=ARCHITECTURE_FIELD,
        )
    for beginning, reason in _REFUSED_OF_TORCHVISION.items():
        if name.startswith(beginning):
            raise InvalidSearchError(
                f"{TORCHVISION}{name} {reason}; a network of torchvision for images of any size with one classifier is "
                f"accepted, such as {TORCHVISION}resnet18, {TORCHVISION}squeezenet1_1 and {TORCHVISION}convnext_tiny",
                field=ARCHITECTURE_FIELD,
            )
    network = torchvision.models.get_model(name, weights=None)
    *_, (place, last) = [
        (place, layer) for place, layer in network.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)
    ]
    network.set_submodule(place, nn.Identity())
    for layer in network.modules():
        if isinstance(layer, nn.Dropout | StochasticDepth):
            layer.p = 0.0
    return Backbone(network, last.weight.shape[1], classifier=(f"{place}.",))
