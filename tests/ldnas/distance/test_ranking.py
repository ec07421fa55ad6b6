"""Ranking and verdict, from figures written down by hand."""

import pytest

from ldnas.distance.measures import Distance
from ldnas.distance.ranking import Ranking, Spread, Verdict, rank
from ldnas.distance.uncertainty import Certainty


def spread(*values: float) -> Spread:
    return Spread.of([Distance(abs(value), value) for value in values])


def sure(probability: float | None, upper: float | None = 0.5) -> Certainty:
    return Certainty(None if upper is None else (0.0, upper), probability, None)


def rank_two(near: Certainty, far: Certainty, *, untrained: float = 1.0) -> Ranking:
    return rank(
        {"far": spread(0.9, 0.9), "near": spread(0.1, 0.1)}, {"far": far, "near": near}, untrained=spread(untrained)
    )


def test_a_spread_has_the_sample_deviation_and_the_mean_of_the_signed_differences() -> None:
    result = spread(1.0, -2.0, 3.0)
    assert result.mean == 2.0
    assert result.std == pytest.approx(1.0)
    assert result.signed == pytest.approx(2 / 3)
    assert result.repetitions == 3


def test_a_spread_averages_what_each_layer_contributes() -> None:
    result = Spread.of([Distance(3, 3, (("a", 1.0), ("b", 2.0))), Distance(5, 5, (("a", 5.0), ("b", 0.0)))])
    assert result.contributions == (("a", 3.0), ("b", 1.0))


def test_one_repetition_has_no_deviation() -> None:
    assert spread(1.0).std is None


@pytest.mark.parametrize(
    ("probability", "verdict", "closest"),
    [
        (0.95, Verdict.CLOSEST, ("near",)),
        (0.9, Verdict.CLOSEST, ("near",)),
        (0.89, Verdict.TIE, ("near", "far")),
        (0.3, Verdict.TIE, ("far", "near")),
    ],
)
def test_the_probability_of_the_best_source_decides_between_closest_and_tie(probability, verdict, closest) -> None:
    ranking = rank_two(sure(probability), sure(1 - probability))
    assert (ranking.verdict, ranking.closest, ranking.order) == (verdict, closest, ("near", "far"))


def test_the_fewest_sources_that_reach_nine_tenths_are_tied() -> None:
    chances = {"a": 0.3, "b": 0.05, "c": 0.62, "d": 0.03}
    ranking = rank({key: spread(0.1, 0.1) for key in chances}, {k: sure(p) for k, p in chances.items()}, untrained=None)
    assert (ranking.verdict, ranking.closest) == (Verdict.TIE, ("c", "a"))


def test_a_task_is_close_only_if_a_whole_interval_lies_below_untrained_networks() -> None:
    assert rank_two(sure(1.0, upper=0.99), sure(0.0, upper=2.0)).verdict is Verdict.CLOSEST
    assert rank_two(sure(1.0, upper=1.01), sure(0.0, upper=2.0)).verdict is Verdict.NO_CLOSE_TASK
    assert rank_two(sure(1.0, upper=1.0), sure(0.0, upper=2.0)).closest == ()


def test_with_one_repetition_means_decide() -> None:
    unknown = sure(None, upper=None)
    assert rank_two(unknown, unknown).closest == ("near",)
    assert rank_two(unknown, unknown, untrained=0.1).verdict is Verdict.NO_CLOSE_TASK


def test_without_sources_the_verdict_says_that_a_baseline_is_missing() -> None:
    ranking = rank({}, {}, untrained=spread(1.0))
    assert (ranking.verdict, ranking.closest, ranking.order) == (Verdict.NO_BASELINE, (), ())
