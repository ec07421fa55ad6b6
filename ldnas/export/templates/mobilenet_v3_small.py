"""An image classifier, a MobileNetV3-small, complete in this file: it needs torch and Pillow."""

import torch
from torch import Tensor, nn

# Multiplies the channels of every layer; the result is rounded to a multiple of 8.
WIDTH: float = 0.5
# The stride of the first convolution and of the first block.
FIRST_STRIDE: int = 1
# Kernel, expanded channels, output channels, squeeze-and-excite, activation, stride of each block.
BLOCKS = (
    (3, 16, 16, True, nn.ReLU, FIRST_STRIDE),
    (3, 72, 24, False, nn.ReLU, 2),
    (3, 88, 24, False, nn.ReLU, 1),
    (5, 96, 40, True, nn.Hardswish, 2),
    (5, 240, 40, True, nn.Hardswish, 1),
    (5, 240, 40, True, nn.Hardswish, 1),
    (5, 120, 48, True, nn.Hardswish, 1),
    (5, 144, 48, True, nn.Hardswish, 1),
    (5, 288, 96, True, nn.Hardswish, 2),
    (5, 576, 96, True, nn.Hardswish, 1),
    (5, 576, 96, True, nn.Hardswish, 1),
)


def rounded(channels: float) -> int:
    """The multiple of 8 that is closest to so many channels, and at least nine tenths of them."""
    closest = max(8, int(channels + 4) // 8 * 8)
    return closest + 8 if closest < 0.9 * channels else closest


def convolution(
    channels_in: int, channels_out: int, kernel: int, *, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    """A convolution and its batch norm."""
    weights = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [weights, nn.BatchNorm2d(channels_out)]


class SqueezeExcite(nn.Module):
    """Weighs each channel by what all of them hold on average (Hu et al., arXiv:1709.01507)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, rounded(channels // 4), 1)
        self.fc2 = nn.Conv2d(rounded(channels // 4), channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        means = maps.mean(dim=(2, 3), keepdim=True)
        return maps * nn.functional.hardsigmoid(self.fc2(torch.relu(self.fc1(means))))


class Block(nn.Module):
    """An inverted residual (Howard et al., arXiv:1905.02244)."""

    def __init__(self, sizes: tuple[int, int, int], kernel: int, squeezes: bool, activation: type, stride: int) -> None:
        super().__init__()
        channels_in, expanded, channels_out = sizes
        self.is_residual = stride == 1 and channels_in == channels_out
        layers: list[nn.Module] = []
        if expanded != channels_in:
            layers.append(nn.Sequential(*convolution(channels_in, expanded, 1), activation()))
        depthwise = convolution(expanded, expanded, kernel, stride=stride, groups=expanded)
        layers.append(nn.Sequential(*depthwise, activation()))
        if squeezes:
            layers.append(SqueezeExcite(expanded))
        layers.append(nn.Sequential(*convolution(expanded, channels_out, 1)))
        self.block = nn.Sequential(*layers)

    def forward(self, inputs: Tensor) -> Tensor:
        maps: Tensor = self.block(inputs)
        return inputs + maps if self.is_residual else maps


class Backbone(nn.Module):
    """Images [N, 3, S, S], normalised to [-1, 1] → features [N, D]."""

    def __init__(self) -> None:
        super().__init__()
        channels = rounded(16 * WIDTH)
        layers: list[nn.Module] = [nn.Sequential(*convolution(3, channels, 3, stride=FIRST_STRIDE), nn.Hardswish())]
        for kernel, expanded, outputs, squeezes, activation, stride in BLOCKS:
            sizes = channels, rounded(expanded * WIDTH), rounded(outputs * WIDTH)
            layers.append(Block(sizes, kernel, squeezes, activation, stride))
            channels = sizes[2]
        layers.append(nn.Sequential(*convolution(channels, 6 * channels, 1), nn.Hardswish()))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Linear(6 * channels, rounded(1024 * WIDTH)), nn.Hardswish())

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.classifier(self.features(images).mean(dim=(2, 3)))
        return features


class Network(nn.Module):
    """Images [N, 3, S, S], normalised to [-1, 1] → logits [N, classes]."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.head = nn.Linear(rounded(1024 * WIDTH), classes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.backbone(images))
        return logits
