"""The guarantees of every distance measure, on any layers (see `ldnas.distance.measures.Measure`).

On small networks that were really trained, observed in the default recipe: two of one task (three corners), two of
another (which half is bright).
"""

import copy
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn

from ldnas.data.task_data import ImageSet
from ldnas.distance.measures import Distance, Measure, measure
from ldnas.distance.observation import Observation, observe
from ldnas.errors import UnknownMeasureError
from ldnas.networks.build import build_network
from ldnas.networks.classifier import Classifier
from ldnas.recipe import MEASURES, Recipe, default_recipe
from ldnas.training.train import TrainConfig, fit

RECIPE = default_recipe("small_cnn")
MAY_BE_NEGATIVE = ("logme", "task2vec_asymmetric")
COMPARE_ANY_NETWORKS = ("log_det", "logme")
GIVE_CONTRIBUTIONS = ("log_det_layerwise", "log_det", "frechet")

Pair = tuple[Observation, Observation]
"""Of the source's network and of the target's."""

# Each class of a task is where its images are brighter: rows and columns of a 32×32 image.
CORNERS = ((slice(0, 16), slice(0, 16)), (slice(0, 16), slice(16, 32)), (slice(16, 32), slice(0, 16)))
HALVES = ((slice(0, 32), slice(0, 16)), (slice(0, 32), slice(16, 32)))


@dataclass(frozen=True)
class Task:
    """A made task and two trainings of it."""

    classes: int
    images: ImageSet
    networks: tuple[Classifier, Classifier]


def bright(places, *, seed: int) -> ImageSet:
    """96 images of noise, each brighter in the place of its class."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(96) % len(places)
    images = torch.randint(0, 120, (96, 3, 32, 32), generator=generator, dtype=torch.uint8)
    for image, label in zip(images, labels.tolist(), strict=True):
        image[:, *places[label]] += 100
    return ImageSet(images, labels)


def trained(places, *, seeds: tuple[int, int]) -> Task:
    images = bright(places, seed=0)
    networks = [build_network("small_cnn", classes=len(places), seed=seed) for seed in seeds]
    for network, seed in zip(networks, seeds, strict=True):
        fit(network, images, config=TrainConfig(epochs=2, batch_size=16), seed=seed)
    return Task(len(places), images, tuple(networks))


def look(network: Classifier, target: Task, *, images: ImageSet | None = None, recipe: Recipe = RECIPE) -> Observation:
    """`network` on the target's images, its Fisher diagonal kept."""
    return observe(network, images or target.images, classes=target.classes, recipe=recipe, keep_diagonal=True)


@pytest.fixture(scope="module")
def corners() -> Task:
    return trained(CORNERS, seeds=(1, 2))


@pytest.fixture(scope="module")
def halves() -> Task:
    return trained(HALVES, seeds=(3, 4))


@pytest.fixture(scope="module")
def on_corners(corners: Task, halves: Task) -> dict[str, Observation]:
    """What two sources, the target and an untrained network show on the images of `corners`."""
    return {
        "target": look(corners.networks[0], corners),
        "same task": look(corners.networks[1], corners),
        "other task": look(halves.networks[0], corners),
        "untrained": look(build_network("small_cnn", classes=3, seed=5), corners),
    }


@pytest.fixture(scope="module")
def pair(on_corners: dict[str, Observation]) -> Pair:
    return on_corners["other task"], on_corners["target"]


@pytest.fixture(scope="module")
def way_back(corners: Task, halves: Task) -> Pair:
    """The same two networks with source and target exchanged, so on the images of the other task."""
    return look(corners.networks[0], halves), look(halves.networks[0], halves)


@pytest.fixture(scope="module")
def renumbered_pair(corners: Task, halves: Task) -> Pair:
    images = ImageSet(corners.images.images, torch.tensor([1, 2, 0])[corners.images.labels])
    return look(halves.networks[0], corners, images=images), look(corners.networks[0], corners, images=images)


@pytest.fixture(scope="module", params=[7, 96])
def pair_in_other_batches(request: pytest.FixtureRequest, corners: Task, halves: Task) -> Pair:
    recipe = replace(RECIPE, batch_size=request.param)
    return look(halves.networks[0], corners, recipe=recipe), look(corners.networks[0], corners, recipe=recipe)


@pytest.fixture(scope="module")
def target_again(corners: Task) -> Observation:
    """By a pass of its own, so that passes must repeat to the bit as well."""
    return look(corners.networks[0], corners)


@pytest.fixture(scope="module")
def source_with_another_head(corners: Task, halves: Task) -> Observation:
    network = copy.deepcopy(halves.networks[0])
    network.head = nn.Linear(network.head.in_features, 7)
    return look(network, corners)


@pytest.fixture(scope="module")
def another_architecture(corners: Task) -> Observation:
    backbone = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return look(Classifier(backbone, 8, 3), corners)


@pytest.fixture(scope="module")
def distances(on_corners: dict[str, Observation]) -> dict[str, list[Distance]]:
    """By measure: every observation's distance from every other, both ways."""
    pairs = [(one, other) for one in on_corners.values() for other in on_corners.values() if one is not other]
    return {name: [measure(name).distance(*pair) for pair in pairs] for name in MEASURES}


def only(declared: Callable[[Measure], bool]) -> pytest.MarkDecorator:
    """Runs a test over the measures that declare something of themselves; there must be one."""
    names = [name for name in MEASURES if declared(measure(name))]
    assert names
    return pytest.mark.parametrize("name", names)


@pytest.fixture(params=MEASURES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def chosen(name: str) -> Measure:
    return measure(name)


def test_a_measure_is_zero_from_a_network_to_itself_to_the_bit(chosen, target_again, on_corners):
    distance = chosen.distance(target_again, on_corners["target"])
    assert distance.value == distance.signed == 0.0
    assert all(contribution == 0.0 for _, contribution in distance.contributions)
    assert all(without == 0.0 for without in distance.without)


def test_a_measure_distinguishes_networks(name, distances):
    assert all(abs(distance.value) > 1e-4 for distance in distances[name])


@pytest.mark.parametrize("name", [name for name in MEASURES if name not in MAY_BE_NEGATIVE])
def test_a_measure_is_never_negative_unless_it_says_so(name, distances):
    assert all(distance.value >= 0 for distance in distances[name])


def test_a_measure_is_finite(name, distances):
    for distance in distances[name]:
        values = (distance.value, distance.signed, *distance.without, *(value for _, value in distance.contributions))
        assert all(math.isfinite(value) for value in values)


@only(lambda measure: measure.symmetric)
def test_a_symmetric_measure_lets_source_and_target_change_places(chosen, pair):
    source, target = pair
    assert chosen.distance(source, target).value == chosen.distance(target, source).value


@only(lambda measure: not measure.symmetric)
def test_an_asymmetric_measure_has_another_way_back(chosen, pair, way_back):
    there, back = chosen.distance(*pair).value, chosen.distance(*way_back).value
    assert abs(there - back) > 0.01 * max(abs(there), abs(back))


def test_the_numbering_of_the_classes_does_not_matter(chosen, pair, renumbered_pair):
    assert chosen.distance(*renumbered_pair).value == pytest.approx(chosen.distance(*pair).value, rel=1e-3)


def test_the_batch_size_does_not_matter(chosen, pair, pair_in_other_batches):
    assert chosen.distance(*pair_in_other_batches).value == pytest.approx(chosen.distance(*pair).value, rel=1e-3)


def test_the_head_that_a_network_brings_does_not_matter(chosen, pair, source_with_another_head):
    assert chosen.distance(source_with_another_head, pair[1]) == chosen.distance(*pair)


@only(lambda measure: measure.folded)
def test_a_folded_measure_is_the_size_of_its_signed_difference(chosen, name, distances):
    assert all(distance.value == abs(distance.signed) for distance in distances[name])
    assert any(distance.signed < 0 for distance in distances[name])


def test_the_contributions_of_the_layers_add_up(name, distances, on_corners):
    layers = [layer.name for layer in on_corners["target"].log_det.layers]
    for distance in distances[name]:
        if distance.contributions:
            assert [layer for layer, _ in distance.contributions] == layers
            assert math.fsum(value for _, value in distance.contributions) == pytest.approx(distance.value, rel=1e-9)


def test_the_measures_of_layers_give_contributions(name, distances):
    given = [bool(distance.contributions) for distance in distances[name]]
    assert all(given) == any(given) == (name in GIVE_CONTRIBUTIONS)


@only(lambda measure: not measure.needs_diagonal)
def test_a_measure_that_needs_no_diagonal_reads_the_same_from_a_stored_observation(chosen, pair):
    stored = [Observation.from_json(json.loads(json.dumps(one.to_json()))) for one in pair]
    assert chosen.distance(*stored) == chosen.distance(*pair)


@only(lambda measure: measure.needs_diagonal)
@pytest.mark.parametrize("missing", ["source", "target"])
def test_a_measure_that_needs_diagonals_refuses_to_go_without_either(chosen, pair, missing):
    observations = dict(zip(("source", "target"), pair, strict=True))
    observations[missing] = replace(observations[missing], diagonal=None)
    with pytest.raises(ValueError, match="diagonal"):
        chosen.distance(**observations)


def test_a_measure_of_layers_refuses_networks_of_two_architectures(chosen, name, pair, another_architecture):
    if name in COMPARE_ANY_NETWORKS:
        assert math.isfinite(chosen.distance(another_architecture, pair[1]).value)
    else:
        with pytest.raises(ValueError, match="differ"):
            chosen.distance(another_architecture, pair[1])


def test_a_measure_has_a_unit(chosen):
    assert chosen.unit


def test_an_unknown_measure_is_refused_and_the_known_ones_are_named():
    with pytest.raises(UnknownMeasureError) as refusal:
        measure("euclidean")
    assert "euclidean" in refusal.value.message
    assert all(known in refusal.value.message for known in MEASURES)
    assert refusal.value.field == "measure"
