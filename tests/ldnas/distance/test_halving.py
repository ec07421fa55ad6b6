"""Successive halving: its cost, and the sources that reach the next round."""

import pytest

from ldnas.distance.halving import FINALISTS, plan_rungs, survivors, work
from ldnas.distance.measures import Distance, measure
from ldnas.recipe import Recipe

RECIPE = Recipe()
MEASURE = measure("log_det_layerwise")


def measured(*values: float) -> list[Distance]:
    return [Distance(value, value) for value in values]


def test_a_small_registry_is_measured_in_full() -> None:
    assert plan_rungs(FINALISTS, 3, RECIPE, images=5000) == ()


@pytest.mark.parametrize("images", [256, 1024, 50_000])
@pytest.mark.parametrize("repetitions", [1, 2, 3, 10])
def test_five_hundred_sources_take_at_most_fifteen_per_cent_of_the_work(repetitions, images) -> None:
    plan = plan_rungs(512, repetitions, RECIPE, images=images)
    samples = min(1024, images)
    assert work(plan, 512, repetitions, samples) <= 0.15 * 512 * repetitions * samples


@pytest.mark.parametrize("images", [10, 40, 200, 1024])
@pytest.mark.parametrize("repetitions", [1, 3])
@pytest.mark.parametrize("sources", [25, 60, 97, 2000])
def test_halving_never_costs_more_than_measuring_everything(sources, repetitions, images) -> None:
    plan = plan_rungs(sources, repetitions, RECIPE, images=images)
    for overhead in (0, 75):
        everything = work((), sources, repetitions, min(1024, images), overhead=overhead)
        assert work(plan, sources, repetitions, min(1024, images), overhead=overhead) <= everything
    assert all(16 <= rung.recipe.samples < images for rung in plan)


def test_the_work_is_the_images_of_every_round() -> None:
    plan = plan_rungs(512, 3, RECIPE, images=5000)
    assert work(plan, 512, 3, 1024) == 512 * 64 + 128 * 2 * 256 + 24 * 3 * 1024


def test_the_first_round_meets_every_source_and_each_next_one_more_images() -> None:
    rungs = plan_rungs(512, 3, RECIPE, images=5000)
    assert [rung.keep for rung in rungs] == [128, FINALISTS]
    assert [rung.recipe.samples for rung in rungs] == [64, 256]
    assert [rung.recipe.probe_images for rung in rungs] == [128, 500]
    assert [rung.repetitions for rung in rungs] == [1, 2]


def test_rounds_are_shares_of_the_images_that_are_there() -> None:
    assert [rung.recipe.samples for rung in plan_rungs(512, 3, RECIPE, images=400)] == [25, 100]


def test_with_one_repetition_the_nearest_reach_the_next_round() -> None:
    distances = {f"s{index}": measured(index / 10) for index in range(1, 9)}
    assert survivors(distances, MEASURE, keep=3) == ("s1", "s2", "s3")


def test_a_source_that_can_no_longer_be_the_closest_is_left_behind() -> None:
    distances = {"near": measured(0.1, 0.11), "rival": measured(0.1, 0.12), "far": measured(9.0, 9.1)}
    assert survivors(distances, MEASURE, keep=3) == ("near", "rival")


def test_sources_that_are_alike_reach_the_next_round_up_to_the_limit() -> None:
    distances = {f"s{index}": measured(1.0, 1.0) for index in range(600)}
    assert len(survivors(distances, MEASURE, keep=24)) == 24
