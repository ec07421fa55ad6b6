"""The recipe as a value, and what each peculiarity of the `paper` and `released_code` modes does to a distance."""

import math

import pytest
import torch
from torch import nn

from ldnas.data.task_data import ImageSet
from ldnas.distance.log_det import LogDetSummary
from ldnas.distance.measures import measure
from ldnas.distance.observation import Observation, observe
from ldnas.fisher import FisherDiagonal, batch_mean_squares, empirical_fisher_diagonal
from ldnas.networks.build import build_network
from ldnas.recipe import MODES, Recipe, default_recipe, recipe_of

DEFAULT, PAPER, RELEASED = (recipe_of(mode, "small_cnn") for mode in MODES)


def images(count: int = 24, classes: int = 3) -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, 3, 16, 16), generator=generator, dtype=torch.uint8)
    return ImageSet(pixels, torch.arange(count) % classes)


def small(recipe: Recipe, **changes: object) -> Recipe:
    return Recipe(**{**recipe.to_json(), "samples": 24, "probe_images": 24, **changes})


def distance(source: FisherDiagonal, target: FisherDiagonal, recipe: Recipe, name: str) -> float:
    seen = [
        Observation(LogDetSummary.of(diagonal, damping=recipe.damping, scaling=recipe.scaling), 0.0)
        for diagonal in (source, target)
    ]
    return measure(name).distance(*seen).value


def diagonal(*tensors: list[float]) -> FisherDiagonal:
    blocks = {f"tensor{index}": torch.tensor(values) for index, values in enumerate(tensors)}
    return FisherDiagonal(blocks, 1, tuple((name,) for name in blocks))


def test_every_field_is_in_the_digest() -> None:
    changed = {
        "network": "vgg16",
        "variant": "exact",
        "parameters": "all",
        "head": "own",
        "probe_images": 7,
        "probe_l2": 0.5,
        "samples": 7,
        "batch_size": 7,
        "damping": 0.5,
        "split": "test",
        "scaling": "none",
        "grouping": "tensor",
        "first_axis": "mean",
    }
    assert set(changed) == set(Recipe().to_json())
    assert len({Recipe(**{name: value}).digest for name, value in changed.items()} | {Recipe().digest}) == 14


@pytest.mark.parametrize(
    "wrong", [{"variant": "emp"}, {"head": "none"}, {"samples": 0}, {"damping": 0.0}, {"split": "validation"}], ids=str
)
def test_a_value_that_no_computation_knows_is_refused_with_those_that_are(wrong) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        Recipe(**wrong)


def test_the_modes_are_the_three_of_the_design() -> None:
    assert default_recipe("small_cnn") == DEFAULT == Recipe()
    assert (PAPER.parameters, PAPER.head, PAPER.scaling, PAPER.variant) == ("all", "own", "none", "empirical")
    assert (RELEASED.variant, RELEASED.damping, RELEASED.split) == ("batch_mean", 1e-10, "test")
    assert [recipe.test_seen for recipe in (DEFAULT, PAPER, RELEASED)] == [False, False, True]
    with pytest.raises(ValueError, match="released_code"):
        recipe_of("original", "small_cnn")


def test_squaring_the_mean_gradient_of_a_batch_cancels_what_the_fisher_counts() -> None:
    network = nn.Linear(1, 2, bias=False)
    nn.init.zeros_(network.weight)
    same_image_two_labels = (torch.ones(2, 1), torch.tensor([0, 1]))
    exact = empirical_fisher_diagonal(network, [same_image_two_labels]).blocks["weight"]
    released = batch_mean_squares(network, [same_image_two_labels]).blocks["weight"]
    assert exact.flatten().tolist() == [0.25, 0.25], "(p - 1)² and p² at p = 1/2"
    assert released.flatten().tolist() == [0.0, 0.0]


def test_squares_of_batches_depend_on_the_batch_size_and_the_fisher_does_not() -> None:
    network = build_network("small_cnn", classes=3, seed=0).eval()
    one_by_one, all_at_once, fisher_one, fisher_all = (
        observe(network, images(9), classes=3, recipe=small(DEFAULT, variant=variant, batch_size=size)).log_det
        for variant in ("batch_mean", "empirical")
        for size in (1, 9)
    )
    assert fisher_one.mean_log_det == pytest.approx(fisher_all.mean_log_det, abs=1e-4)
    assert one_by_one.mean_log_det == pytest.approx(fisher_one.mean_log_det, abs=1e-4)
    assert all_at_once.mean_log_det < one_by_one.mean_log_det - 0.5


def test_averaging_the_first_axis_hides_entries_from_the_logarithm() -> None:
    network = build_network("small_cnn", classes=3, seed=0).eval()
    kept, averaged = (
        observe(network, images(), classes=3, recipe=small(DEFAULT, first_axis=axis), keep_diagonal=True)
        for axis in ("keep", "mean")
    )
    name = "backbone.0.weight"
    for of_filter in averaged.diagonal.blocks[name]:
        torch.testing.assert_close(of_filter, kept.diagonal.blocks[name].mean(dim=0))
    assert averaged.log_det.parameters == kept.log_det.parameters
    assert averaged.log_det.mean_log_det > kept.log_det.mean_log_det, "the log of a mean is above the mean of logs"


def test_scaling_to_sum_one_hides_the_size_of_the_gradients() -> None:
    once, twice = diagonal([0.2, 0.3], [0.5]), diagonal([0.4, 0.6], [1.0])
    assert distance(once, twice, RELEASED, "log_det_layerwise") == pytest.approx(0, abs=1e-6)
    assert distance(once, twice, PAPER, "log_det_layerwise") == pytest.approx(math.log(2), rel=1e-6)


def test_the_absolute_value_of_each_tensor_keeps_differences_that_eq_3_cancels() -> None:
    source, target = diagonal([0.75], [0.25]), diagonal([0.25], [0.75])
    assert distance(source, target, PAPER, "log_det") == pytest.approx(0, abs=1e-6)
    assert distance(source, target, RELEASED, "log_det_layerwise") == pytest.approx(math.log(3), rel=1e-6)


def test_tensors_are_taken_one_by_one_where_layers_put_a_convolution_and_its_norm_together() -> None:
    network = build_network("small_cnn", classes=3, seed=0).eval()
    by_layer, by_tensor = (
        observe(network, images(), classes=3, recipe=small(DEFAULT, grouping=grouping)).log_det
        for grouping in ("layer", "tensor")
    )
    assert [len(by_layer.layers), len(by_tensor.layers)] == [4, 12]
    assert by_tensor.sums.raw != by_layer.sums.raw
    assert sum(by_tensor.sums.raw) == pytest.approx(sum(by_layer.sums.raw))


def test_a_smaller_damping_lets_parameters_that_never_move_weigh_more() -> None:
    source, target = diagonal([0.0, 0.5], [0.5]), diagonal([0.25, 0.25], [0.5])
    by_default, released = (distance(source, target, recipe, "log_det_layerwise") for recipe in (DEFAULT, RELEASED))
    assert released - by_default == pytest.approx(math.log(100) / 2 / 2, rel=1e-6), "one entry of two, one layer of two"


def test_a_head_that_is_too_small_is_padded_with_zero_logits_or_refused() -> None:
    network = build_network("small_cnn", classes=2, seed=0).eval()
    with pytest.raises(ValueError, match="2 outputs and the target 3 classes"):
        observe(network, images(), classes=3, recipe=small(PAPER))
    padded = observe(network, images(), classes=3, recipe=small(PAPER, head="zero_padded"), keep_diagonal=True)
    by_hand = build_network("small_cnn", classes=3, seed=0).eval()
    by_hand.load_state_dict(
        network.state_dict()
        | {
            "head.weight": torch.cat([network.head.weight, torch.zeros(1, 128)]),
            "head.bias": torch.cat([network.head.bias, torch.zeros(1)]),
        }
    )
    expected = observe(by_hand, images(), classes=3, recipe=small(PAPER), keep_diagonal=True)
    for name in network.backbone_parameters():
        torch.testing.assert_close(padded.diagonal.blocks[name], expected.diagonal.blocks[name], rtol=1e-4, atol=1e-9)


def test_a_networks_own_head_makes_the_numbering_of_classes_matter() -> None:
    network = build_network("small_cnn", classes=3, seed=0).eval()
    with torch.no_grad():
        network.head.bias.copy_(torch.tensor([3.0, 0.0, -3.0]))
    renumbered = ImageSet(images().images, (images().labels + 1) % 3)
    imbalanced = ImageSet(images().images, torch.tensor([0] * 20 + [1] * 2 + [2] * 2))
    renumbered = ImageSet(imbalanced.images, (imbalanced.labels + 2) % 3)
    own, own_renumbered, probed, probed_renumbered = (
        observe(network, which, classes=3, recipe=small(DEFAULT, head=head)).log_det.mean_log_det
        for head in ("own", "probe")
        for which in (imbalanced, renumbered)
    )
    assert abs(own - own_renumbered) > 0.5
    assert probed == pytest.approx(probed_renumbered, abs=1e-3)


def test_the_full_head_is_counted_in_the_paper_and_left_out_by_default() -> None:
    network = build_network("small_cnn", classes=3, seed=0).eval()
    counts = [
        observe(network, images(), classes=3, recipe=small(recipe)).log_det.parameters for recipe in (DEFAULT, PAPER)
    ]
    assert counts == [163_672, 163_672 + 3 * 128 + 3]
