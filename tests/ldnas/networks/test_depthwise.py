"""The depthwise convolution with its own weight gradient, compared with `nn.Conv2d` in float64."""

import copy

import pytest
import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import nn

from ldnas.networks.depthwise import LARGEST_MAP, DepthwiseConv, use_fast_depthwise

# (side of the input, kernel, stride, dilation)
GEOMETRIES = [
    (2, 5, 1, 1),
    (4, 5, 1, 1),
    (4, 3, 1, 1),
    (8, 3, 2, 1),
    (7, 5, 2, 1),
    (4, 5, 1, 2),
    (3, 3, 1, 2),
    (1, 3, 1, 1),
]


def pair(kernel: int, stride: int, dilation: int, *, bias: bool = False) -> tuple[nn.Conv2d, DepthwiseConv]:
    torch.manual_seed(0)
    plain = nn.Conv2d(6, 6, kernel, stride, (kernel // 2) * dilation, dilation, groups=6, bias=bias).double()
    return plain, DepthwiseConv.of(copy.deepcopy(plain))


@pytest.mark.parametrize(("side", "kernel", "stride", "dilation"), GEOMETRIES)
def test_outputs_and_gradients_are_those_of_the_plain_convolution(
    side: int, kernel: int, stride: int, dilation: int
) -> None:
    plain, own = pair(kernel, stride, dilation, bias=True)
    assert_equal(plain, own, torch.randn(5, 6, side, side, dtype=torch.float64))


def assert_equal(plain: nn.Module, own: nn.Module, images: torch.Tensor) -> None:
    results = []
    for convolution in (plain, own):
        inputs = images.clone().requires_grad_()
        outputs = convolution(inputs)
        (outputs.square() + outputs).sum().backward()
        results.append((outputs, inputs.grad, *(parameter.grad for parameter in convolution.parameters())))
    for expected, found in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("side", "kernel", "stride"), [(8, 3, 2), (7, 5, 2), (2, 5, 2), (9, 3, 2)])
def test_a_padding_by_the_size_of_the_image_is_kept(side: int, kernel: int, stride: int) -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(Conv2dSame(6, 6, kernel, stride, groups=6)).double()
    own = copy.deepcopy(plain)
    use_fast_depthwise(own)
    images = torch.randn(5, 6, side, side, dtype=torch.float64)
    assert_equal(plain, own, images)
    # 8 pixels become 4, which count as small though 9 are read with the padding.
    assert ("SmallMaps" in str(own[0]._conv_forward(images, own[0].weight, None).grad_fn)) == (side < 9)


@pytest.mark.parametrize("changes", [{"padding_mode": "reflect"}, {"padding": "same"}])
def test_a_convolution_with_another_kind_of_padding_stays(changes: dict[str, str]) -> None:
    plain = nn.Sequential(nn.Conv2d(4, 4, 3, groups=4, **({"padding": 1} | changes)))
    use_fast_depthwise(plain)
    assert type(plain[0]) is nn.Conv2d


def test_the_own_gradient_is_used_on_small_maps_alone() -> None:
    _, own = pair(3, 1, 1)
    side = int(LARGEST_MAP**0.5)
    small, large = (own(torch.zeros(1, 6, size, size, dtype=torch.float64)) for size in (side, side + 1))
    assert "SmallMaps" in type(small.grad_fn).__name__
    assert "SmallMaps" not in type(large.grad_fn).__name__


def test_it_shares_the_parameters_of_the_convolution_it_replaces() -> None:
    plain = nn.Conv2d(4, 4, 3, padding=1, groups=4)
    own = DepthwiseConv.of(plain)
    assert own.weight is plain.weight
    assert list(own.state_dict()) == list(plain.state_dict())
