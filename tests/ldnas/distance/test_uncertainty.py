"""Intervals and probabilities, against hand computations and against the truth of simulated training noise."""

import math

import numpy as np
import pytest
from scipy import stats

from ldnas.distance.measures import Distance, measure
from ldnas.distance.uncertainty import estimate_column

FOLDED, RELATIVE = measure("log_det"), measure("log_det_layerwise")


def column(**signed: list[float]) -> dict[str, list[Distance]]:
    return {key: [Distance(abs(value), value) for value in values] for key, values in signed.items()}


def test_one_source_has_the_textbook_t_interval() -> None:
    values = [1.0, 2.0, 6.0]
    half = stats.t.ppf(0.95, 2) * np.std(values, ddof=1) / math.sqrt(3)
    certainty = estimate_column(column(a=values), FOLDED)["a"]
    assert certainty.interval == pytest.approx((0.0, 3 + half)), "the signed interval reaches over 0 and is folded"
    assert certainty.probability_closest == 1.0


def test_a_measure_that_is_never_negative_is_treated_on_the_logarithmic_scale() -> None:
    values = [0.5, 1.0, 2.0]
    factor = math.exp(stats.t.ppf(0.95, 2) * math.log(2) / math.sqrt(3))
    interval = estimate_column(column(a=values), RELATIVE)["a"].interval
    assert interval == pytest.approx((3.5 / 3 / factor, 3.5 / 3 * factor)), "around the mean, by a factor"


def test_an_exact_zero_has_no_logarithm_and_is_treated_on_the_plain_scale() -> None:
    certainties = estimate_column(column(a=[0.0, 1.0, 2.0], b=[4.0, 5.0, 6.0]), RELATIVE)
    low, high = certainties["b"].interval
    assert low + high == pytest.approx(10.0)
    assert certainties["a"].interval[0] == 0.0, "a distance is never negative"


def test_an_interval_stays_within_the_range_of_its_measure() -> None:
    low, high = estimate_column(column(a=[0.8, 1.0, 0.9]), measure("frechet"))["a"].interval
    assert low < 0.9 < high == 1.0


def test_a_source_with_fewer_repetitions_is_compared_on_those_that_it_has() -> None:
    """The target's first network makes everything look near; a source that met only that one gains nothing by it."""
    others = {"a": [5.7, 6.0, 6.3], "c": [6.7, 7.0, 7.31]}
    assert estimate_column(column(**others, b=[5.8]), FOLDED)["a"].probability_closest > 0.9
    assert estimate_column(column(**others, b=[5.6]), FOLDED)["b"].probability_closest > 0.9


def test_the_order_of_the_sources_does_not_matter() -> None:
    given = column(a=[1.0, 1.3, 0.9], b=[1.1, 1.2, 1.4], c=[1.2, 1.0, 1.1])
    assert estimate_column(given, RELATIVE) == estimate_column(dict(reversed(given.items())), RELATIVE)


def test_an_interval_on_the_far_side_of_zero_is_folded_to_the_near_one() -> None:
    low, high = estimate_column(column(a=[-1.0, -1.01, -0.99]), FOLDED)["a"].interval
    assert 0.9 < low < 1.0 < high < 1.1


def test_training_noise_is_pooled_over_sources() -> None:
    quiet_alone = estimate_column(column(a=[1.0, 1.01, 1.02]), FOLDED)["a"].interval
    with_noise = estimate_column(column(a=[1.0, 1.01, 1.02], b=[5.0, 7.0, 3.0]), FOLDED)["a"].interval
    assert with_noise[1] - with_noise[0] > 10 * (quiet_alone[1] - quiet_alone[0])


def test_the_targets_share_of_the_noise_does_not_blur_which_source_is_closest() -> None:
    shift = np.array([0.0, 0.5, -0.5])
    chances = estimate_column(column(a=[*(5.0 + shift)], b=[*(5.2 + shift + [0.001, 0, 0])]), FOLDED)
    assert chances["a"].probability_closest == pytest.approx(1.0, abs=0.01)
    assert chances["a"].interval[0] < 4.4, "while the distance itself is hardly known"


def test_what_images_do_to_all_sources_alike_does_not_blur_which_source_is_closest() -> None:
    def measured(value: float, sway: list[float]) -> list[Distance]:
        return [Distance(value + tiny, value + tiny, (), tuple(value + s for s in sway)) for tiny in (0, 1e-4, -1e-4)]

    sway = [0.1, -0.1, 0.05, -0.05]
    together = estimate_column({"a": measured(1.0, sway), "b": measured(1.02, sway)}, FOLDED)
    apart = estimate_column({"a": measured(1.0, sway), "b": measured(1.02, sway[::-1])}, FOLDED)
    assert together["a"].probability_closest > 0.99
    assert apart["a"].probability_closest < 0.8
    expected = math.sqrt(3 / 4 * sum(s**2 for s in sway))
    assert together["a"].standard_error == pytest.approx(expected)


def test_one_repetition_claims_nothing() -> None:
    certainty = estimate_column(column(a=[1.0], b=[2.0]), RELATIVE)["a"]
    assert (certainty.interval, certainty.probability_closest) == (None, None)
    assert estimate_column({}, RELATIVE) == {}


def test_a_source_with_fewer_repetitions_has_the_wider_interval() -> None:
    certainties = estimate_column(column(a=[1.0, 1.2, 0.8], b=[3.0]), FOLDED)
    a, b = (certainties[key].interval for key in "ab")
    assert b[1] - b[0] == pytest.approx(math.sqrt(3) * (a[1] - a[0]))


def test_equal_distances_share_the_probability() -> None:
    chances = estimate_column(column(a=[1.0, 1.0, 1.0], b=[1.0, 1.0, 1.0]), FOLDED)
    assert [certainty.probability_closest for certainty in chances.values()] == [0.5, 0.5]


def test_equal_seeds_give_equal_answers() -> None:
    given = column(a=[1.0, 1.3, 0.9], b=[1.1, 1.2, 1.4])
    assert estimate_column(given, RELATIVE, seed=1) == estimate_column(given, RELATIVE, seed=1)


@pytest.mark.parametrize("by", [FOLDED, RELATIVE], ids=["folded", "relative"])
def test_nine_in_ten_intervals_hold_the_truth_and_probabilities_are_right_as_often_as_they_say(by) -> None:
    """400 simulated columns of five sources: shared and own training noise, three repetitions."""
    generator = np.random.default_rng(0)
    held, said, right = [], [], []
    for _ in range(400):
        means = generator.uniform(0.5, 1.5, 5)
        shared, own = generator.normal(0, 0.15, 3), generator.normal(0, 0.2, (5, 3))
        values = means[:, None] + shared + own if by.folded else means[:, None] * np.exp(shared + own)
        certainties = estimate_column(column(**dict(zip("abcde", values.tolist(), strict=True))), by)
        truth = means if by.folded else means * math.exp((0.15**2 + 0.2**2) / 2)
        intervals = [certainty.interval for certainty in certainties.values()]
        held += [low <= true <= high for true, (low, high) in zip(truth, intervals, strict=True)]
        chances = [certainty.probability_closest for certainty in certainties.values()]
        said.append(max(chances))
        right.append(int(np.argmax(chances)) == int(np.argmin(truth)))
    assert 0.86 < np.mean(held) < 0.94
    assert np.mean(said) == pytest.approx(np.mean(right), abs=0.06)
