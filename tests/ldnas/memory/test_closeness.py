"""Whether closer tasks should count more, decided from simulated tasks."""

import math
import random

import pytest

from ldnas.memory.closeness import HELPS, NO_HELP, UNKNOWN, Closeness, closeness_weights, judge_closeness
from ldnas.memory.scores import CellScore
from ldnas.space.space import FULL_SPACE

CELLS = FULL_SPACE.sample_distinct(random.Random(1), 12)


def scores_of(families: str) -> list[CellScore]:
    """A task for each letter; tasks of one letter have equal effects of the cells, but for noise."""
    found = []
    for number, family in enumerate(families):
        effects, noise = random.Random(family), random.Random(number)
        found += [
            CellScore(f"{family}{number}", cell, 0.7 + effects.gauss(0, 0.03) + noise.gauss(0, 0.005), 3)
            for cell in CELLS
        ]
    return found


def closeness(families: str, nearest: str) -> dict[str, dict[str, float]]:
    """Weights that are 1 for tasks of the family that `nearest` gives, at the family's place, and small for others."""
    tasks = [f"{family}{number}" for number, family in enumerate(families)]
    return {
        task: {other: 1.0 if other[0] == near else 0.01 for other in tasks if other != task}
        for task, near in zip(tasks, nearest, strict=True)
    }


def test_closeness_counts_where_it_predicts_the_scores() -> None:
    assert judge_closeness(scores_of("xxxyyy"), closeness("xxxyyy", "xxxyyy")) == Closeness(True, HELPS)


def test_closeness_does_not_count_where_it_misleads() -> None:
    assert judge_closeness(scores_of("xxxyyy"), closeness("xxxyyy", "yyyxxx")) == Closeness(False, NO_HELP)


def test_closeness_does_not_count_where_it_makes_no_difference() -> None:
    alike = {task: dict.fromkeys(others, 1.0) for task, others in closeness("xxxyyy", "xxxyyy").items()}
    assert judge_closeness(scores_of("xxxyyy"), alike) == Closeness(False, NO_HELP)


def test_closeness_does_not_count_where_it_helps_some_tasks_and_misleads_others() -> None:
    assert judge_closeness(scores_of("xxxyyy"), closeness("xxxyyy", "xxyyyx")) == Closeness(False, NO_HELP)


@pytest.mark.parametrize("families", ["", "x", "xx"])
def test_of_fewer_than_three_tasks_nothing_is_concluded(families: str) -> None:
    assert judge_closeness(scores_of(families), closeness(families, families)) == Closeness(False, UNKNOWN)


def test_tasks_without_common_cells_are_not_compared() -> None:
    scores = [CellScore(str(number), cell, 0.5, 3) for number, cell in enumerate(CELLS)]
    weights = {score.task: {other.task: 1.0 for other in scores} for score in scores}
    assert judge_closeness(scores, weights) == Closeness(False, UNKNOWN)
    one_in_common = [CellScore(score.task, CELLS[0], 0.6, 3) for score in scores]
    assert judge_closeness([*scores, *one_in_common], weights) == Closeness(False, UNKNOWN), "one cell has no contrast"


def test_weights_fall_with_the_distance_whatever_its_unit_and_zero() -> None:
    expected = {"near": 1.0, "far": math.exp(-2)}
    assert closeness_weights({"near": 1.0, "far": 3.0}) == pytest.approx(expected)
    assert closeness_weights({"near": -50.0, "far": 150.0}) == pytest.approx(expected)
    assert closeness_weights({"one": 4.0}) == {"one": 1.0}
    assert closeness_weights({}) == {}
