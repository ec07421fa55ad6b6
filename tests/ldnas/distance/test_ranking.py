"""Ranking and verdict, from figures written down by hand."""

import pytest

from ldnas.distance.log_det import Distance
from ldnas.distance.ranking import Spread, Verdict, rank


def spread(*values: float) -> Spread:
    return Spread.of([Distance(abs(value), value) for value in values])


def test_a_spread_has_the_sample_deviation_and_the_mean_of_the_signed_differences() -> None:
    result = spread(1.0, -2.0, 3.0)
    assert result.mean == 2.0
    assert result.std == pytest.approx(1.0)
    assert result.signed == pytest.approx(2 / 3)
    assert result.repetitions == 3


def test_one_repetition_has_no_deviation() -> None:
    assert spread(1.0).std is None


def test_the_nearest_source_is_the_closest_if_it_is_nearer_than_untrained_networks() -> None:
    ranking = rank({"far": spread(0.9), "near": spread(0.1)}, untrained=spread(1.0))
    assert (ranking.verdict, ranking.closest, ranking.order) == (Verdict.CLOSEST, "near", ("near", "far"))


@pytest.mark.parametrize("untrained", [0.1, 0.05])
def test_no_task_is_close_when_untrained_networks_are_as_near(untrained: float) -> None:
    ranking = rank({"far": spread(0.9), "near": spread(0.1)}, untrained=spread(untrained))
    assert (ranking.verdict, ranking.closest) == (Verdict.NO_CLOSE_TASK, None)


def test_without_sources_there_is_no_baseline() -> None:
    ranking = rank({}, untrained=spread(1.0))
    assert (ranking.verdict, ranking.closest, ranking.order) == (Verdict.NO_BASELINE, None, ())
