"""Fisher passes in the default recipe: the head does not count, the numbering of classes does not matter."""

import copy

import pytest
import torch
from torch import nn

from ldnas.data.task_data import ImageSet
from ldnas.distance.log_det import measure_distance
from ldnas.distance.passes import gather_batch_norm_statistics, log_det_summary
from ldnas.networks.build import build_network
from ldnas.recipe import DEFAULT_RECIPE, MEASURES, Recipe
from ldnas.train import TrainConfig, fit


def noisy_squares(count: int, *, seed: int) -> ImageSet:
    """Three classes: a bright square in one of three corners, under noise."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    images = torch.randint(0, 120, (count, 3, 32, 32), generator=generator, dtype=torch.uint8)
    for index, label in enumerate(labels.tolist()):
        row, column = ((0, 0), (0, 16), (16, 0))[label]
        images[index, :, row : row + 16, column : column + 16] += 100
    return ImageSet(images, labels)


TRAIN = noisy_squares(96, seed=0)


@pytest.fixture(scope="module")
def networks() -> tuple[nn.Module, nn.Module]:
    pair = []
    for seed in (1, 2):
        network = build_network("small_cnn", classes=3, seed=seed)
        fit(network, TRAIN, config=TrainConfig(epochs=2, batch_size=16), seed=seed)
        pair.append(network)
    return tuple(pair)


def test_the_backbone_alone_is_counted(networks) -> None:
    summary = log_det_summary(networks[0], TRAIN, classes=3, recipe=DEFAULT_RECIPE)
    assert sum(layer.parameters for layer in summary.layers) == 163_672
    assert len(summary.layers) == 4, "a convolution and its norm are one layer"


def test_a_pass_leaves_the_network_as_it_was(networks) -> None:
    before = copy.deepcopy(networks[0].state_dict())
    log_det_summary(networks[0], TRAIN, classes=3, recipe=DEFAULT_RECIPE)
    assert all(torch.equal(before[name], tensor) for name, tensor in networks[0].state_dict().items())


def test_a_pass_repeats_to_the_bit(networks) -> None:
    first, again = (log_det_summary(networks[0], TRAIN, classes=3, recipe=DEFAULT_RECIPE) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("measure", MEASURES)
def test_the_numbering_of_the_classes_does_not_matter(networks, measure: str) -> None:
    renumbered = ImageSet(TRAIN.images, torch.tensor([1, 2, 0])[TRAIN.labels])
    distances = []
    for images in (TRAIN, renumbered):
        source, target = (log_det_summary(network, images, classes=3, recipe=DEFAULT_RECIPE) for network in networks)
        distances.append(measure_distance(measure, source, target).value)
    assert distances[0] > 0.01
    assert distances[1] == pytest.approx(distances[0], rel=1e-3)


def test_the_head_that_a_network_brings_does_not_matter(networks) -> None:
    other_head = copy.deepcopy(networks[0])
    other_head.head = nn.Linear(128, 7)
    ours, theirs = (
        log_det_summary(network, TRAIN, classes=3, recipe=DEFAULT_RECIPE) for network in (networks[0], other_head)
    )
    assert ours == theirs


def test_at_most_the_recipes_number_of_images_is_used(networks) -> None:
    few = log_det_summary(networks[0], TRAIN, classes=3, recipe=Recipe(samples=24))
    assert few != log_det_summary(networks[0], TRAIN, classes=3, recipe=DEFAULT_RECIPE)


def test_recipes_that_differ_have_other_digests() -> None:
    assert Recipe().digest == DEFAULT_RECIPE.digest
    assert len({recipe.digest for recipe in (Recipe(), Recipe(samples=512), Recipe(damping=1e-6))}) == 3


def test_gathered_statistics_are_the_means_over_the_target_images() -> None:
    network = build_network("small_cnn", classes=3, seed=4)
    first_batch = TRAIN.subset(torch.arange(64))
    gather_batch_norm_statistics(network, first_batch)
    convolution, norm = network.backbone[0], network.backbone[1]
    with torch.no_grad():
        expected = convolution(first_batch.images.float() / 127.5 - 1).mean(dim=(0, 2, 3))
    assert torch.allclose(norm.running_mean, expected, atol=1e-4)
    assert not network.training
