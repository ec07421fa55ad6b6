"""An image classifier, a ResNet-18 for small images, complete in this file: it needs torch and Pillow."""

import torch
from torch import Tensor, nn

# Channels of the first of four stages; each later stage has twice as many as the one before it.
WIDTH: int = 16


class Block(nn.Module):
    """Two 3×3 convolutions whose result is added to their input (He et al., arXiv:1512.03385)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            project = nn.Conv2d(channels_in, channels_out, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(project, nn.BatchNorm2d(channels_out))

    def forward(self, inputs: Tensor) -> Tensor:
        maps = torch.relu(self.bn1(self.conv1(inputs)))
        return torch.relu(self.bn2(self.conv2(maps)) + self.downsample(inputs))


class Network(nn.Module):
    """Images [N, 3, S, S], normalised to [-1, 1] → logits [N, classes]."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, WIDTH, 3, padding=1, bias=False), nn.BatchNorm2d(WIDTH), nn.ReLU())
        blocks = [Block(WIDTH, WIDTH, stride=1), Block(WIDTH, WIDTH, stride=1)]
        for channels in (2 * WIDTH, 4 * WIDTH, 8 * WIDTH):
            blocks += [Block(channels // 2, channels, stride=2), Block(channels, channels, stride=1)]
        self.stages = nn.Sequential(*blocks)
        self.head = nn.Linear(8 * WIDTH, classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.stages(self.stem(images))
        logits: Tensor = self.head(maps.mean(dim=(2, 3)))
        return logits
