"""The candidates that a task gets: kinds, limits, image sizes."""

from pathlib import Path
from typing import Any

import pytest

from ldnas.errors import ImpossibleConstraintError
from ldnas.networks.design import EFFICIENTNET_LITE0, MOBILENET, CellDesign, Kind, PlainDesign, PretrainedDesign
from ldnas.race.candidate import Candidate
from ldnas.race.field import PATIENT_EPOCHS, RaceTask, candidates_for
from ldnas.race.kinds import GivenWeights, fresh_candidate
from ldnas.space.constraints import Constraints
from ldnas.space.genotype import Genotype
from ldnas.space.skeleton import default_skeleton
from ldnas.training.augmentation import Augmentation
from ldnas.training.train import TrainConfig

CELL = Genotype(("sep_conv_3x3", "identity", "dil_conv_5x5", "max_pool_3x3", "conv_7x1_1x7", "avg_pool_3x3"))
LIGHT = Genotype(("identity",) * 6)
FRESH = frozenset({Kind.CELL, Kind.PLAIN})


def recipe(image_size: int) -> TrainConfig:
    return TrainConfig(augmentation=Augmentation(shift_pixels=image_size))


def field_of(image_size: int = 32, **changes: Any) -> list[Candidate]:
    values = {"cells": [CELL], "recipe": recipe, **changes}
    return candidates_for(RaceTask(image_size, 4, **values))


def sizes(candidates: list[Candidate], kind: Kind) -> list[int]:
    return [each.image_size for each in candidates if each.kind is kind]


def test_small_images_are_enlarged_for_the_pretrained_network_alone() -> None:
    found = field_of(32)
    assert sizes(found, Kind.PRETRAINED) == [64]
    assert sizes(found, Kind.CELL) == [32, 16]
    assert sizes(found, Kind.PLAIN) == [32, 32, 32, 16, 32, 16]


def test_large_images_are_reduced_where_the_seconds_are_few() -> None:
    assert sizes(field_of(96), Kind.PRETRAINED) == [96, 64]
    assert sizes(field_of(96, kinds=FRESH), Kind.CELL) == [96, 48]
    assert sizes(field_of(16, kinds=FRESH), Kind.CELL) == [16], "half of it shows too little"


def test_a_requested_size_holds_for_every_candidate() -> None:
    assert {each.image_size for each in field_of(32, fixed_size=True)} == {32}


def test_variants_of_a_network_become_smaller_and_need_fewer_epochs_in_the_end() -> None:
    groups: dict[str | None, list[Candidate]] = {}
    for each in field_of(96):
        groups.setdefault(each.variant_of, []).append(each)
    assert None not in groups
    assert len(groups.pop(MOBILENET)) == 1, "half the size would cost more than the strides save"
    assert len(groups) == 3
    for variants in groups.values():
        macs = [each.macs for each in variants]
        assert macs == sorted(macs, reverse=True)
        assert variants[-1].least_epochs < variants[0].least_epochs


def mobilenets(candidates: list[Candidate]) -> list[float]:
    return [
        each.design.width
        for each in candidates
        if each.variant_of == MOBILENET and isinstance(each.design, PlainDesign)
    ]


def test_a_mobilenet_comes_last_as_wide_as_the_limits_allow_and_only_where_it_gets_many_epochs() -> None:
    found = field_of(32)
    assert [each.variant_of for each in found[-2:]] == [MOBILENET] * 2
    assert {each.least_epochs for each in found[-2:]} == {PATIENT_EPOCHS}
    assert mobilenets(found) == [1.0, 1.0]
    assert mobilenets(field_of(32, limits=Constraints(max_parameters=1_000_000))) == [0.75, 0.75]
    assert mobilenets(field_of(32, limits=Constraints(max_macs=2_000_000))) == [0.5], "of half the size alone"
    assert mobilenets(field_of(48, limits=Constraints(max_latency_ms=1.0))) == [1.0, 0.75, 0.5, 0.35] * 2


def test_each_candidate_has_the_recipe_of_its_image_size() -> None:
    assert all(each.recipe.augmentation == recipe(each.image_size).augmentation for each in field_of(32))


def test_several_cells_take_part_each_with_variants_of_its_own() -> None:
    found = field_of(32, cells=[CELL, LIGHT], kinds=frozenset({Kind.CELL}))
    assert len({each.variant_of for each in found}) == 2
    assert [each.image_size for each in found] == [32, 16, 32, 16]


def test_limits_hold_for_every_candidate_and_narrow_it() -> None:
    limits = Constraints(max_parameters=60_000, max_macs=4_000_000)
    found = field_of(32, limits=limits)
    assert {each.kind for each in found} == {Kind.CELL, Kind.PLAIN}
    for each in found:
        assert each.parameters <= 60_000
        assert each.macs <= 4_000_000
    unlimited = next(each.design for each in field_of(32) if each.kind is Kind.CELL)
    limited = next(each.design for each in found if each.kind is Kind.CELL)
    assert isinstance(unlimited, CellDesign)
    assert isinstance(limited, CellDesign)
    assert limited.skeleton.stem_channels < unlimited.skeleton.stem_channels
    assert all(each.design.width < 16 for each in found if isinstance(each.design, PlainDesign))


def test_limits_that_no_network_satisfies_are_refused_by_their_names() -> None:
    with pytest.raises(ImpossibleConstraintError, match="kinds cell, plain satisfies max_parameters of 10") as refused:
        field_of(32, limits=Constraints(max_parameters=10), kinds=FRESH)
    assert refused.value.field == "constraints"


def test_given_weights_follow_those_of_imagenet_at_the_same_sizes(tmp_path: Path) -> None:
    given = GivenWeights("test_efficientnet", "0" * 64, tmp_path / "not read yet", "dataset://mine")
    found = field_of(32, given=given)
    name = "test_efficientnet from dataset://mine"
    assert [each.variant_of for each in found[:2]] == [EFFICIENTNET_LITE0, name]
    assert found[1].name == f"{name} at 64 px"
    assert [each.started_from for each in found[:2]] == ["ImageNet", "dataset://mine"]
    assert isinstance(found[1].design, PretrainedDesign)
    assert found[1].design.weights == "0" * 64
    assert not any(each.started_from == given.source for each in field_of(32, given=given, kinds=FRESH))


def test_cells_with_weights_of_another_task_come_first_among_the_cells() -> None:
    warm = fresh_candidate("warm", CellDesign(LIGHT, default_skeleton(32, 4)), recipe(32))
    cold, found = field_of(32), field_of(32, warm=[warm])
    place = found.index(warm)
    assert [each.name for each in found if each is not warm] == [each.name for each in cold]
    assert {each.kind for each in found[:place]} == {Kind.PRETRAINED}
    assert found[place + 1].kind is Kind.CELL
    assert warm not in field_of(32, warm=[warm], kinds=frozenset({Kind.PLAIN}))
