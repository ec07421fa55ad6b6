"""ResNet-18 at any width: its size without building it, and the limits that it keeps."""

import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional

from ldnas.errors import ImpossibleConstraintError
from ldnas.networks.resnet import FULL_WIDTH, build_scaled_resnet18, resnet18_size, widest_resnet18


def counted_macs(network: nn.Module, image_size: int) -> int:
    """Multiply-adds of one image, counted while it passes through."""
    total = 0

    def count(module: nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        nonlocal total
        total += module.weight.numel() * (output.shape[-1] * output.shape[-2] if output.dim() == 4 else 1)

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    with torch.no_grad():
        network.eval()(torch.zeros(1, 3, image_size, image_size))
    return total


@pytest.mark.parametrize(("classes", "width", "image_size"), [(2, 1, 8), (10, 3, 17), (5, 8, 32), (3, 6, 9)])
def test_the_size_is_that_of_the_built_network(classes: int, width: int, image_size: int) -> None:
    network = build_scaled_resnet18(classes, seed=0, width=width)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    assert resnet18_size(classes, width, image_size) == (parameters, counted_macs(network, image_size))


def test_at_full_width_it_has_the_well_known_number_of_parameters() -> None:
    # 11,689,512 of torchvision's for 1000 classes, with a 3×3 stem instead of 7×7 and ten classes.
    expected = 11_689_512 - 64 * 3 * (49 - 9) - (512 + 1) * 990
    assert resnet18_size(10, FULL_WIDTH, 32)[0] == expected


@pytest.mark.parametrize("limit", ["max_parameters", "max_macs"])
def test_the_widest_network_keeps_the_limit_and_the_next_does_not(limit: str) -> None:
    position = ["max_parameters", "max_macs"].index(limit)
    at_7 = resnet18_size(4, 7, 16)[position]
    assert widest_resnet18(4, image_size=16, **{limit: at_7}) == 7
    assert widest_resnet18(4, image_size=16, **{limit: at_7 - 1}) == 6


def test_both_limits_are_kept_at_once_and_without_one_it_is_full() -> None:
    parameters, macs = resnet18_size(4, 9, 16)[0], resnet18_size(4, 5, 16)[1]
    assert widest_resnet18(4, image_size=16, max_parameters=parameters, max_macs=macs) == 5
    assert widest_resnet18(4, image_size=16) == FULL_WIDTH


@pytest.mark.parametrize("limit", ["max_parameters", "max_macs"])
def test_an_impossible_limit_names_the_nearest_possible_value(limit: str) -> None:
    least = resnet18_size(4, 1, 16)[["max_parameters", "max_macs"].index(limit)]
    with pytest.raises(ImpossibleConstraintError) as refusal:
        widest_resnet18(4, image_size=16, **{limit: least - 1})
    assert (refusal.value.field, refusal.value.nearest_possible) == (f"constraints.{limit}", least)


def test_the_seed_decides_the_weights_and_leaves_the_global_one_alone() -> None:
    torch.manual_seed(4)
    state = torch.get_rng_state()
    one, same, other = (build_scaled_resnet18(2, seed=seed, width=2).head.weight for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)
    assert build_scaled_resnet18(3, seed=0, image_size=16, max_parameters=resnet18_size(3, 2, 16)[0]).width == 2


@pytest.mark.parametrize("image_size", [8, 9])
def test_a_shortcut_past_a_smaller_stage_is_a_1x1_convolution_of_stride_2(image_size: int) -> None:
    network = build_scaled_resnet18(2, seed=0, width=3)
    shortcuts = [module.downsample[0] for module in network.stages if module.downsample is not None]
    assert [(shortcut.in_channels, shortcut.out_channels) for shortcut in shortcuts] == [(3, 6), (6, 12), (12, 24)]
    for shortcut in shortcuts:
        inputs = torch.randn(2, shortcut.in_channels, image_size, image_size)
        expected = functional.conv2d(inputs, shortcut.weight, stride=2)
        torch.testing.assert_close(shortcut(inputs), expected)


TRAINS_NARROW = """
import torch
from ldnas.networks.resnet import build_scaled_resnet18
network = build_scaled_resnet18(2, seed=0, width=3).to(memory_format=torch.channels_last)
inputs = torch.randn(24, 3, 16, 16).contiguous(memory_format=torch.channels_last)
for _ in range(30):
    network(inputs).square().sum().backward()
"""


def test_the_narrowest_networks_train_in_channels_last_order() -> None:
    # In a process of its own: what this guards against corrupts memory (on processors without AVX-512, at once).
    trained = subprocess.run([sys.executable, "-c", TRAINS_NARROW], capture_output=True, text=True, check=False)
    assert trained.returncode == 0, trained.stderr
