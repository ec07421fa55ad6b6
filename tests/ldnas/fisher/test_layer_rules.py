"""Every layer rule against the float64 loop, on drawn shapes."""

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

drawn = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def classifier(*layers: nn.Module, images: Tensor) -> nn.Sequential:
    """The layers, a nonlinearity and a linear head of three classes, with weights of a fixed draw."""
    torch.manual_seed(0)
    for layer in layers:
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    body = nn.Sequential(*layers, nn.Tanh(), nn.Flatten()).eval()
    with torch.no_grad():
        width = body(images).shape[1]
    return nn.Sequential(*body, nn.Linear(width, 3))


def random_images(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@drawn
@given(data=st.data())
def test_convolutions_of_any_geometry_are_exact(data, assert_exact):
    groups = data.draw(st.sampled_from([1, 1, 1, 2, 3]), "groups")
    channels_in = groups * data.draw(st.integers(1, 3), "channels in per group")
    channels_out = groups * data.draw(st.integers(1, 3), "channels out per group")
    pair = lambda low, high: st.tuples(st.integers(low, high), st.integers(low, high))  # noqa: E731
    kernel = data.draw(pair(1, 4), "kernel")
    dilation = data.draw(pair(1, 2), "dilation")
    stride = data.draw(pair(1, 3), "stride")
    padding = data.draw(st.one_of(pair(0, 3), st.sampled_from(["same", "valid"])), "padding")
    size = data.draw(pair(1, 9), "size")
    samples = data.draw(st.integers(1, 5), "samples")
    if padding == "same":
        stride = (1, 1)
    added = (0, 0) if isinstance(padding, str) else padding
    fits = [s + 2 * p > d * (k - 1) for s, p, d, k in zip(size, added, dilation, kernel, strict=True)]
    assume(padding == "same" or all(fits))
    convolution = nn.Conv2d(
        channels_in, channels_out, kernel, stride, padding, dilation, groups, bias=data.draw(st.booleans(), "bias")
    )
    images = random_images(samples, channels_in, *size)
    assert_exact(classifier(convolution, images=images), images)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8])
def test_wide_convolutions_on_small_images_are_exact(size, assert_exact):
    images = random_images(6, 32, size, size)
    assert_exact(classifier(nn.Conv2d(32, 48, 3, padding=1), images=images), images)


def test_a_convolution_whose_gradients_fill_several_blocks_is_exact(assert_exact):
    images = random_images(5, 256, 5, 5)
    assert_exact(classifier(nn.Conv2d(256, 128, 3, padding=1), images=images), images)


@pytest.mark.parametrize("padding_mode", ["reflect", "replicate", "circular"])
def test_padding_that_repeats_the_image_is_exact(padding_mode, assert_exact):
    images = random_images(4, 3, 6, 6)
    convolution = nn.Conv2d(3, 4, 3, padding=1, padding_mode=padding_mode)
    assert_exact(classifier(convolution, images=images), images)


@drawn
@given(samples=st.integers(1, 6), positions=st.integers(0, 5), width=st.integers(1, 7), bias=st.booleans())
def test_linear_layers_are_exact_with_and_without_positions(samples, positions, width, bias, assert_exact):
    shape = (samples, positions, width) if positions else (samples, width)
    images = random_images(*shape)
    assert_exact(classifier(nn.Linear(width, 4, bias=bias), images=images), images)


NORMS = {
    "batch norm": lambda: nn.BatchNorm2d(6),
    "batch norm without bias": lambda: nn.BatchNorm2d(6, bias=False),
    "group norm": lambda: nn.GroupNorm(3, 6),
    "instance norm": lambda: nn.InstanceNorm2d(6, affine=True),
    "instance norm with running statistics": lambda: nn.InstanceNorm2d(6, affine=True, track_running_stats=True),
    "layer norm over the image": lambda: nn.LayerNorm((6, 5, 4)),
    "layer norm over columns": lambda: nn.LayerNorm(4),
}


@pytest.mark.parametrize("name", NORMS)
def test_norms_are_exact(name, assert_exact):
    images = random_images(3, 2, 5, 4)
    norm = NORMS[name]()
    network = classifier(nn.Conv2d(2, 6, 3, padding=1, bias=False), norm, images=images)
    with torch.no_grad():
        norm.weight.uniform_(0.5, 2.0)
        if getattr(norm, "running_mean", None) is not None:
            norm.running_mean.normal_(3.0)
            norm.running_var.uniform_(0.1, 2.0)
    assert_exact(network, images)


def test_a_batch_norm_far_from_zero_loses_no_digits(assert_exact):
    images = random_images(4, 2, 6, 6) + 100.0
    norm = nn.BatchNorm2d(2)
    network = classifier(norm, images=images)
    norm.running_mean.fill_(100.0)
    assert_exact(network, images)
