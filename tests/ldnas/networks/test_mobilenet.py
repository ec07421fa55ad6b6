"""MobileNetV3-small for small and for large images, compared with torchvision's."""

import pytest
import torch
from torchvision.models import mobilenet_v3_small

from ldnas.networks.mobilenet import build_mobilenet


@pytest.mark.parametrize("width", [1.0, 0.5])
@torch.no_grad()
def test_on_large_images_it_computes_what_torchvisions_does(width: float) -> None:
    torch.manual_seed(0)
    theirs = mobilenet_v3_small(width_mult=width, num_classes=5).eval()
    for layer in theirs.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.eps = 1e-5  # torch's own; torchvision trained with 1e-3
    own = build_mobilenet(5, seed=0, width=width, image_size=96).eval()
    own.backbone.load_state_dict(
        {name: tensor for name, tensor in theirs.state_dict().items() if "classifier.3" not in name}
    )
    own.head.load_state_dict(theirs.classifier[3].state_dict())
    images = torch.randn(2, 3, 96, 96)
    torch.testing.assert_close(own(images), theirs(images))


@pytest.mark.parametrize(("side", "last_map"), [(32, 4), (64, 8), (65, 3), (96, 3)])
@torch.no_grad()
def test_small_images_are_reduced_eight_times_and_others_thirty_two_times(side: int, last_map: int) -> None:
    network = build_mobilenet(2, seed=0, width=0.35, image_size=side).eval()
    maps = network.backbone.get_submodule("features")(torch.zeros(1, 3, side, side))
    assert maps.shape[-2:] == (last_map, last_map)


def test_its_batch_norms_follow_a_short_training() -> None:
    network = build_mobilenet(2, seed=0, width=0.35, image_size=16)
    assert {layer.momentum for layer in network.modules() if isinstance(layer, torch.nn.BatchNorm2d)} == {0.1}
