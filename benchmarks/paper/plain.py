"""The hand-designed rows of the tables, at full width or narrower."""

import torch
from torch import nn
from torchvision.models.densenet import DenseNet

from ldnas.networks.resnet import ScaledResNet18

PLAIN = ("VGG-16", "ResNet-18", "DenseNet-121")
FULL_WIDTH = 64
_VGG16 = ((1, 2), (2, 2), (4, 3), (8, 3), (8, 3))  # width as a multiple of the first, convolutions
_DENSENET121 = (6, 12, 24, 16)


def plain_network(name: str, *, classes: int, width: int, seed: int) -> nn.Module:
    """A row's network, freshly initialised: `width` channels in its first stage, 64 being the published one.

    Raises:
        KeyError: no such row.
    """
    build = {"VGG-16": _vgg16, "ResNet-18": ScaledResNet18, "DenseNet-121": _densenet121}[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build(classes, width)


def _vgg16(classes: int, width: int) -> nn.Module:
    """Thirteen convolutions with batch norm (Simonyan & Zisserman, arXiv:1409.1556, configuration D).

    The last pooling is down to one pixel, so that images of 16 pixels can be pooled as often as those of 32.
    """
    layers: list[nn.Module] = []
    channels = 3
    for stage, (multiple, convolutions) in enumerate(_VGG16):
        for _ in range(convolutions):
            layers += [nn.Conv2d(channels, multiple * width, 3, padding=1), nn.BatchNorm2d(multiple * width), nn.ReLU()]
            channels = multiple * width
        layers.append(nn.MaxPool2d(2) if stage < len(_VGG16) - 1 else nn.AdaptiveMaxPool2d(1))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels, classes))


def _densenet121(classes: int, width: int) -> nn.Module:
    """DenseNet-121 (Huang et al., arXiv:1608.06993) for small images: a 3×3 stem and no first pooling."""
    network = DenseNet(width // 2, _DENSENET121, width, num_classes=classes)
    network.features.conv0 = nn.Conv2d(3, width, 3, padding=1, bias=False)
    network.features.pool0 = nn.Identity()
    nn.init.kaiming_normal_(network.features.conv0.weight)
    return network
