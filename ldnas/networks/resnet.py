"""ResNet-18 at any width: the plain network that a found network is compared with."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from ldnas.errors import ImpossibleConstraintError

FULL_WIDTH = 64
_STAGES = 4
_BLOCKS = 2


class ScaledResNet18(nn.Module):
    """ResNet-18 (He et al., arXiv:1512.03385) with stages of w, 2w, 4w and 8w channels.

    The stem is the 3×3 convolution of stride 1 that small images need; at w = 64 it is the task network `resnet18`.
    """

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.stages = nn.Sequential()
        channels = width
        for stage in range(_STAGES):
            wider = width * 2**stage
            for block in range(_BLOCKS):
                self.stages.append(_block(channels, wider, stride=2 if stage and not block else 1))
                channels = wider
        self.head = nn.Linear(channels, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalised images `[N, 3, S, S]` → logits `[N, classes]`."""
        logits: Tensor = self.head(self.stages(self.stem(inputs)).mean(dim=(2, 3)))
        return logits


def resnet18_size(classes: int, width: int, image_size: int) -> tuple[int, int]:
    """Trainable parameters, and multiply-adds for one image, of `ScaledResNet18`; nothing is built."""
    parameters = macs = 0
    side = image_size
    # (channels in, channels out, kernel, side of the output)
    convolutions = [(3, width, 3, side)]
    widths = [width, *(width * 2**stage for stage in range(_STAGES))]
    for stage, (narrow, wide) in enumerate(pairwise(widths)):
        if stage:
            side = (side + 1) // 2
            convolutions.append((narrow, wide, 1, side))
        convolutions += [(narrow, wide, 3, side)] + [(wide, wide, 3, side)] * (2 * _BLOCKS - 1)
    for channels_in, channels_out, kernel, output in convolutions:
        weights = channels_in * channels_out * kernel**2
        parameters += weights + 2 * channels_out
        macs += weights * output**2
    head = widths[-1] * classes
    return parameters + head + classes, macs + head


def widest_resnet18(
    classes: int, *, image_size: int, max_parameters: int | None = None, max_macs: int | None = None
) -> int:
    """The largest width, at most 64, whose network satisfies both limits.

    Raises:
        ImpossibleConstraintError: not even one channel does.
    """
    limits = (max_parameters, max_macs)
    for width in range(FULL_WIDTH, 0, -1):
        if all(
            limit is None or value <= limit
            for value, limit in zip(resnet18_size(classes, width, image_size), limits, strict=True)
        ):
            return width
    least = resnet18_size(classes, 1, image_size)
    for name, value, limit in zip(("max_parameters", "max_macs"), least, limits, strict=True):
        if limit is not None and value > limit:
            raise ImpossibleConstraintError(
                f"{name} is {limit}, and the narrowest ResNet-18 has {value}",
                field=f"constraints.{name}",
                nearest_possible=value,
            )
    raise AssertionError("a network that breaks a limit breaks one of the two")


def build_scaled_resnet18(
    classes: int,
    *,
    seed: int,
    width: int | None = None,
    image_size: int = 32,
    max_parameters: int | None = None,
    max_macs: int | None = None,
) -> ScaledResNet18:
    """A freshly initialised ResNet-18 in training mode: of this `width`, or of the largest that satisfies the limits.

    Raises:
        ImpossibleConstraintError: see `widest_resnet18`.
    """
    if width is None:
        width = widest_resnet18(classes, image_size=image_size, max_parameters=max_parameters, max_macs=max_macs)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return ScaledResNet18(classes, width)


class _Projection(nn.Conv2d):
    """A 1×1 convolution of every second pixel: the shortcut past a block of stride 2.

    Equal to a 1×1 convolution of stride 2, which oneDNN must not be given: with fewer than 8 input channels in
    channels-last order (16 on AVX-512) it writes past its memory in the backward pass (oneDNN issue 6035).
    """

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input[:, :, ::2, ::2])


def _block(channels_in: int, channels_out: int, *, stride: int) -> BasicBlock:
    shortcut = None
    if stride != 1 or channels_in != channels_out:
        kind = _Projection if stride == 2 else nn.Conv2d
        shortcut = nn.Sequential(kind(channels_in, channels_out, 1, bias=False), nn.BatchNorm2d(channels_out))
    return BasicBlock(channels_in, channels_out, stride, shortcut)
