"""Builds a task network by name, for 3×32×32 images."""

from collections.abc import Callable

import torch
from torch import nn
from torchvision.models.densenet import DenseNet
from torchvision.models.resnet import BasicBlock, ResNet

from ldnas.networks.classifier import Classifier
from ldnas.networks.names import require_architecture

_VGG16_WIDTHS = (64, 64, "pool", 128, 128, "pool", 256, 256, 256, "pool", 512, 512, 512, "pool", 512, 512, 512, "pool")


def build_network(architecture: str, *, classes: int, seed: int) -> Classifier:
    """A freshly initialised network in training mode; equal seeds give equal weights.

    Raises:
        UnknownNetworkError: no task network has that name.
    """
    require_architecture(architecture)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone, feature_size = _BACKBONES[architecture]()
        return Classifier(backbone, feature_size, classes)


def _small_cnn() -> tuple[nn.Module, int]:
    """Four 3×3 convolutions of 24, 48, 96 and 128 channels with batch norm (163,672 parameters)."""
    layers: list[nn.Module] = []
    channels = 3
    for position, width in enumerate((24, 48, 96, 128)):
        layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        layers.append(nn.MaxPool2d(2) if position < 3 else nn.AdaptiveAvgPool2d(1))
        channels = width
    return nn.Sequential(*layers, nn.Flatten()), channels


def _vgg16(*, batch_norm: bool) -> tuple[nn.Module, int]:
    """VGG-16's convolutions (Simonyan & Zisserman, arXiv:1409.1556, configuration D) down to 1×1."""
    layers: list[nn.Module] = []
    channels = 3
    for width in _VGG16_WIDTHS:
        if isinstance(width, str):
            layers.append(nn.MaxPool2d(2))
            continue
        layers.append(nn.Conv2d(channels, width, 3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(width))
        layers.append(nn.ReLU(inplace=True))
        channels = width
    return nn.Sequential(*layers, nn.Flatten()), channels


def _resnet18() -> tuple[nn.Module, int]:
    """ResNet-18 (He et al., arXiv:1512.03385) with the 3×3 stem, stride 1, that small images need."""
    network = ResNet(BasicBlock, [2, 2, 2, 2])
    network.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    network.maxpool = nn.Identity()
    network.fc = nn.Identity()
    nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    return network, 512


def _densenet121() -> tuple[nn.Module, int]:
    """DenseNet-121 (Huang et al., arXiv:1608.06993) with a 3×3 stem, stride 1, and no first pooling."""
    network = DenseNet(growth_rate=32, block_config=(6, 12, 24, 16), num_init_features=64)
    features = network.features
    features.conv0 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    features.pool0 = nn.Identity()
    feature_size = network.classifier.in_features
    network.classifier = nn.Identity()
    nn.init.kaiming_normal_(features.conv0.weight)
    return network, feature_size


_BACKBONES: dict[str, Callable[[], tuple[nn.Module, int]]] = {
    "small_cnn": _small_cnn,
    "vgg16": lambda: _vgg16(batch_norm=True),
    "vgg16_plain": lambda: _vgg16(batch_norm=False),
    "resnet18": _resnet18,
    "densenet121": _densenet121,
}
