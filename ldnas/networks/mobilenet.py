"""MobileNetV3-small at several widths: the plain network of few multiply-adds."""

from torch import nn
from torchvision.models.mobilenetv3 import InvertedResidualConfig, MobileNetV3

from ldnas.networks.classifier import Classifier
from ldnas.networks.depthwise import use_fast_depthwise
from ldnas.space.network import weights_drawn_from

MOBILENET_WIDTHS = (1.0, 0.75, 0.5, 0.35)
"""The widths that a race may choose, as torchvision's `width_mult`."""

SMALL_SIDE = 64
"""The largest side, in pixels, of images for which the first two strides are 1."""

# Kernel, expanded channels, output channels, squeeze-and-excite, activation, stride: Table 2 of arXiv:1905.02244.
_BLOCKS = (
    (3, 16, 16, True, "RE", 2),
    (3, 72, 24, False, "RE", 2),
    (3, 88, 24, False, "RE", 1),
    (5, 96, 40, True, "HS", 2),
    (5, 240, 40, True, "HS", 1),
    (5, 240, 40, True, "HS", 1),
    (5, 120, 48, True, "HS", 1),
    (5, 144, 48, True, "HS", 1),
    (5, 288, 96, True, "HS", 2),
    (5, 576, 96, True, "HS", 1),
    (5, 576, 96, True, "HS", 1),
)
_FEATURES = 1024


def build_mobilenet(classes: int, *, seed: int, width: float, image_size: int) -> Classifier:
    """A freshly initialised MobileNetV3-small (Howard et al., arXiv:1905.02244) in training mode.

    It differs from torchvision's in three ways. Images of at most `SMALL_SIDE` pixels are reduced 8 times, as by
    `ScaledResNet18`, not 32 times: the stem and the first block have stride 1. The batch norms have torch's momentum,
    0.1, since statistics of momentum 0.01 lag behind in a short training. The head has no dropout.

    Args:
        width: multiplies all channels, which are then rounded to multiples of 8.
        image_size: side of the images, in pixels.
    """
    with weights_drawn_from(seed):
        return Classifier(
            _backbone(width, image_size), InvertedResidualConfig.adjust_channels(_FEATURES, width), classes
        )


def _backbone(width: float, image_size: int) -> MobileNetV3:
    is_small, channels, blocks = image_size <= SMALL_SIDE, 16, []
    for place, (kernel, expanded, outputs, squeezes, activation, stride) in enumerate(_BLOCKS):
        own_stride = 1 if is_small and place == 0 else stride
        blocks.append(
            InvertedResidualConfig(channels, kernel, expanded, outputs, squeezes, activation, own_stride, 1, width)
        )
        channels = outputs
    features = InvertedResidualConfig.adjust_channels(_FEATURES, width)
    network: MobileNetV3 = MobileNetV3(blocks, features, norm_layer=nn.BatchNorm2d)
    if is_small:
        stem = network.features.get_submodule("0.0")
        assert isinstance(stem, nn.Conv2d), "torchvision's stem begins with a convolution"
        stem.stride = (1, 1)
    network.classifier = network.classifier[:2]  # without the dropout and torchvision's own head
    use_fast_depthwise(network)
    return network
