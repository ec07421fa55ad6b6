"""Successive halving: what it costs, whom it keeps."""

from ldnas.distance.halving import FINALISTS, plan_rungs, survivors
from ldnas.distance.measures import Distance, measure
from ldnas.recipe import Recipe

RECIPE = Recipe()
MEASURE = measure("log_det_layerwise")


def measured(*values: float) -> list[Distance]:
    return [Distance(value, value) for value in values]


def total_cost(sources: int, repetitions: int) -> int:
    left, cost = sources, 0
    for rung in plan_rungs(sources, repetitions, RECIPE):
        cost += rung.cost(left)
        left = min(left, rung.keep)
    return cost + left * repetitions * RECIPE.samples


def test_a_small_registry_is_measured_in_full() -> None:
    assert plan_rungs(FINALISTS, 3, RECIPE) == ()


def test_five_hundred_sources_take_at_most_fifteen_per_cent_of_the_work() -> None:
    assert total_cost(512, 3) <= 0.15 * 512 * 3 * RECIPE.samples


def test_the_first_round_meets_every_source_and_each_next_one_more_images() -> None:
    rungs = plan_rungs(512, 3, RECIPE)
    assert [rung.keep for rung in rungs] == [128, FINALISTS]
    assert [rung.recipe.samples for rung in rungs] == [64, 256]
    assert [rung.repetitions for rung in rungs] == [1, 2]


def test_with_one_repetition_the_nearest_go_on() -> None:
    distances = {f"s{index}": measured(index / 10) for index in range(1, 9)}
    assert survivors(distances, MEASURE, keep=3) == ("s1", "s2", "s3")


def test_a_source_that_can_no_longer_be_the_closest_is_left_behind() -> None:
    distances = {"near": measured(0.1, 0.11), "rival": measured(0.1, 0.12), "far": measured(9.0, 9.1)}
    assert survivors(distances, MEASURE, keep=3) == ("near", "rival")


def test_somebody_always_goes_on() -> None:
    assert len(survivors({f"s{i}": measured(1.0, 1.0) for i in range(600)}, MEASURE, keep=24)) >= 1
