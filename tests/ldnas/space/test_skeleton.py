"""Skeletons: the default for every image size, and the skeletons that are refused."""

import json

import pytest

from ldnas.errors import InvalidSearchError
from ldnas.space.complexity import multiply_adds, parameters
from ldnas.space.genotype import Genotype
from ldnas.space.skeleton import LARGEST_IMAGE, SMALLEST_IMAGE, Skeleton, Stage, default_skeleton

HEAVIEST = Genotype(("conv_7x1_1x7",) * 6)
TYPICAL = Genotype(("sep_conv_3x3", "dil_conv_5x5", "max_pool_3x3", "identity", "sep_conv_5x5", "conv_7x1_1x7"))


def test_at_16_pixels_there_are_three_stages_of_16_32_and_64_channels_and_about_a_tenth_of_a_million_parameters():
    skeleton = default_skeleton(16, 10)
    assert skeleton.stages == (Stage(16, 1), Stage(32, 1), Stage(64, 1))
    assert 80_000 < parameters(TYPICAL, skeleton) < 130_000


def test_at_8_pixels_there_are_two_stages():
    assert default_skeleton(8, 10).sides == (8, 4)


@pytest.mark.parametrize("image_size", range(SMALLEST_IMAGE, LARGEST_IMAGE + 1))
def test_at_every_size_the_last_stage_has_cells_at_3_to_8_pixels(image_size):
    skeleton = default_skeleton(image_size, 2)
    assert 3 <= skeleton.sides[-1] <= 8
    assert skeleton.stages[-1].cells == 1


def test_the_work_grows_much_slower_than_the_pixels():
    small, large = default_skeleton(32, 10), default_skeleton(256, 10)
    assert multiply_adds(TYPICAL, large) < 16 * multiply_adds(TYPICAL, small)  # 64 times the pixels
    assert parameters(HEAVIEST, large) < 5 * parameters(HEAVIEST, small)


def test_a_skeleton_survives_json():
    skeleton = default_skeleton(96, 5)
    assert Skeleton.from_json(json.loads(json.dumps(skeleton.to_json()))) == skeleton


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ((7, 2, 16, (Stage(16, 1),)), "image_size"),
        ((257, 2, 16, (Stage(16, 1),)), "image_size"),
        ((16, 1, 16, (Stage(16, 1),)), "labels"),
        ((16, 2, 8, (Stage(16, 1),)), "skeleton.stages"),
        ((16, 2, 16, ()), "skeleton.stages"),
        ((16, 2, 16, (Stage(16, 0),)), "skeleton.stages"),
        ((16, 2, 16, (Stage(16, -1),)), "skeleton.stages"),
    ],
)
def test_an_impossible_skeleton_is_refused(arguments, field):
    with pytest.raises(InvalidSearchError) as refusal:
        Skeleton(*arguments)
    assert refusal.value.field == field
