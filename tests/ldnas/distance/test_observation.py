"""Observations in the default recipe: the head does not count, nor does the numbering of the images; groups add up."""

import copy
import math

import pytest
import torch
from torch import nn

from ldnas.data.task_data import ImageSet
from ldnas.distance import observation
from ldnas.distance.log_det import LogDetSummary
from ldnas.distance.observation import GROUPS, GrowingObservation, draw, gather_batch_norm_statistics, observe
from ldnas.errors import DivergedNetworkError
from ldnas.fisher import FisherDiagonal, batch_mean_squares, empirical_fisher_diagonal
from ldnas.networks.build import build_network
from ldnas.recipe import Recipe
from ldnas.training.train import TrainConfig, fit


def noisy_squares(count: int, *, seed: int) -> ImageSet:
    """Three classes: a bright square in one of three corners, under noise."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    images = torch.randint(0, 120, (count, 3, 32, 32), generator=generator, dtype=torch.uint8)
    for index, label in enumerate(labels.tolist()):
        row, column = ((0, 0), (0, 16), (16, 0))[label]
        images[index, :, row : row + 16, column : column + 16] += 100
    return ImageSet(images, labels)


RECIPE = Recipe()
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
    summary = observe(networks[0], TRAIN, classes=3, recipe=RECIPE).log_det
    assert sum(layer.parameters for layer in summary.layers) == 163_672
    assert len(summary.layers) == 4, "a convolution and its norm are one layer"


def test_a_pass_leaves_the_network_as_it_was(networks) -> None:
    before = copy.deepcopy(networks[0].state_dict())
    observe(networks[0], TRAIN, classes=3, recipe=RECIPE)
    assert all(torch.equal(before[name], tensor) for name, tensor in networks[0].state_dict().items())


def test_a_pass_repeats_to_the_bit(networks) -> None:
    first, again = (observe(networks[0], TRAIN, classes=3, recipe=RECIPE) for _ in range(2))
    assert first == again


def test_the_head_that_a_network_brings_does_not_matter(networks) -> None:
    other_head = copy.deepcopy(networks[0])
    other_head.head = nn.Linear(128, 7)
    ours, theirs = (observe(network, TRAIN, classes=3, recipe=RECIPE) for network in (networks[0], other_head))
    assert ours == theirs


def test_at_most_the_recipes_number_of_images_is_used(networks) -> None:
    few = observe(networks[0], TRAIN, classes=3, recipe=Recipe(samples=24))
    assert few != observe(networks[0], TRAIN, classes=3, recipe=RECIPE)


def test_the_images_of_a_smaller_pass_are_among_those_of_a_larger_one() -> None:
    few, many = (draw(TRAIN, count, "fisher") for count in (10, 50))
    assert torch.equal(many.images[:10], few.images)
    assert len({image.numpy().tobytes() for image in many.images}) == 50


def test_squares_of_batches_are_of_images_in_the_order_of_the_data_set(networks) -> None:
    recipe = Recipe(samples=len(TRAIN), variant="batch_mean", batch_size=16, head="own")
    seen = observe(networks[0], TRAIN, classes=3, recipe=recipe, keep_diagonal=True).diagonal.blocks
    in_order = zip((TRAIN.images.float() / 127.5 - 1).split(16), TRAIN.labels.split(16), strict=True)
    slow = batch_mean_squares(networks[0], in_order, parameters=networks[0].backbone_parameters()).blocks
    for name, block in slow.items():
        torch.testing.assert_close(seen[name], block, rtol=1e-4, atol=1e-8)


def test_groups_of_images_add_up_to_the_diagonal_of_all(networks) -> None:
    seen = observe(networks[0], TRAIN, classes=3, recipe=Recipe(samples=80), keep_diagonal=True)
    whole = LogDetSummary.of(seen.diagonal, damping=1e-8)
    assert seen.log_det.sums.raw == pytest.approx(whole.sums.raw, rel=1e-5)
    assert len(seen.log_det.without) == 5, "80 images make five groups of sixteen"
    few = observe(networks[0], TRAIN, classes=3, recipe=Recipe(samples=30))
    assert few.log_det.without == (), "without the only group nothing is left"
    assert GROUPS == 16


def test_without_a_group_its_images_do_not_count(networks) -> None:
    seen = observe(networks[0], TRAIN, classes=3, recipe=Recipe(samples=50, head="own"))
    rest = draw(TRAIN, 50, "fisher").subset(torch.arange(17, 50))
    inputs = rest.images.float() / 127.5 - 1
    slow = empirical_fisher_diagonal(networks[0], [(inputs, rest.labels)], parameters=networks[0].backbone_parameters())
    assert seen.log_det.without[0].raw == pytest.approx(LogDetSummary.of(slow, damping=1e-8).sums.raw, rel=1e-4)


def test_a_network_whose_training_diverged_is_refused(networks) -> None:
    diverged = copy.deepcopy(networks[0])
    with torch.no_grad():
        diverged.backbone[0].weight.fill_(math.nan)
    with pytest.raises(DivergedNetworkError, match="not finite"):
        observe(diverged, TRAIN, classes=3, recipe=RECIPE)


def test_every_variant_of_the_fisher_can_be_observed() -> None:
    unsure = build_network("small_cnn", classes=3, seed=5)
    seen = {
        variant: observe(unsure, TRAIN, classes=3, recipe=Recipe(samples=32, variant=variant, head="own")).log_det
        for variant in ("empirical", "monte_carlo", "exact", "batch_mean")
    }
    assert len({summary.mean_log_det for summary in seen.values()}) == 4
    assert not seen["batch_mean"].without, "squares of batches do not add up over groups"


def test_gathered_statistics_are_the_means_over_the_target_images() -> None:
    network = build_network("small_cnn", classes=3, seed=4)
    first_batch = TRAIN.subset(torch.arange(64))
    gather_batch_norm_statistics(network, first_batch)
    convolution, norm = network.backbone[0], network.backbone[1]
    with torch.no_grad():
        expected = convolution(first_batch.images.float() / 127.5 - 1).mean(dim=(0, 2, 3))
    assert torch.allclose(norm.running_mean, expected, atol=1e-4)
    assert not network.training


def test_an_observation_that_grows_ends_where_a_whole_one_does(networks, monkeypatch) -> None:
    passed: list[int] = []
    real = GrowingObservation._pass

    def counting(self: GrowingObservation, start: int, end: int) -> FisherDiagonal:
        passed.append(end - start)
        return real(self, start, end)

    monkeypatch.setattr(observation, "_SMALLEST", 1)
    recipe = Recipe(samples=64)
    growing = GrowingObservation(networks[0], TRAIN, classes=3, recipe=recipe)
    monkeypatch.setattr(GrowingObservation, "_pass", counting)
    first, second, last = (growing.observe(count, groups=groups) for count, groups in ((4, 4), (16, 8), (64, 16)))
    assert passed == [1] * 4 + [2] * 6 + [4] * 12, "every image is passed once, four groups of one make two of two"
    whole = observe(networks[0], TRAIN, classes=3, recipe=recipe)
    assert last.log_det.sums.scaled == pytest.approx(whole.log_det.sums.scaled, rel=1e-5)
    for grown, plain in zip(last.log_det.without, whole.log_det.without, strict=True):
        assert grown.scaled == pytest.approx(plain.scaled, rel=1e-5)
    assert first.logme == second.logme == last.logme == whole.logme, "the features are those of all images"
    quarter = observe(networks[0], TRAIN, classes=3, recipe=Recipe(samples=16))
    assert second.log_det.sums.scaled == pytest.approx(quarter.log_det.sums.scaled, rel=1e-5)
    assert (len(second.log_det.without), len(last.log_det.without)) == (8, 16)
