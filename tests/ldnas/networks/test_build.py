"""Task networks: their published sizes, their seeds, their refusals."""

import pytest
import torch

from ldnas.errors import UnknownNetworkError
from ldnas.networks.build import build_network
from ldnas.networks.names import ARCHITECTURES


@pytest.mark.parametrize(
    ("architecture", "parameters"),
    [
        ("small_cnn", 163_672 + 128 * 10 + 10),
        ("vgg16", 14_719_818 + 2 * 4224),  # batch norm adds a scale and a shift for each of 4,224 channels
        ("vgg16_plain", 14_719_818),
        ("resnet18", 11_173_962),
        ("densenet121", 6_956_426),
    ],
)
def test_a_network_for_ten_classes_has_the_published_size(architecture: str, parameters: int) -> None:
    network = build_network(architecture, classes=10, seed=0)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_features_and_logits_have_the_stated_shapes(architecture: str) -> None:
    network = build_network(architecture, classes=3, seed=0).eval()
    images = torch.zeros(2, 3, 32, 32)
    features = network.features(images)
    assert features.shape == (2, network.head.in_features)
    assert network(images).shape == (2, 3)


def test_equal_seeds_give_equal_weights_and_others_do_not() -> None:
    first, again, other = (build_network("small_cnn", classes=2, seed=seed).head.weight for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_building_leaves_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    build_network("small_cnn", classes=2, seed=5)
    assert torch.equal(before, torch.random.get_rng_state())


def test_backbone_parameters_are_all_but_the_head() -> None:
    network = build_network("small_cnn", classes=2, seed=0)
    names = {name for name, _ in network.named_parameters()}
    assert names - set(network.backbone_parameters()) == {"head.weight", "head.bias"}


def test_an_unknown_network_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(UnknownNetworkError, match=r"'alexnet'.*small_cnn.*densenet121"):
        build_network("alexnet", classes=2, seed=0)
