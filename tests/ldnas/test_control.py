"""The verdict of a control: what follows from predictions, by hand and against the obvious computation."""

import math
import statistics

import pytest
import torch

from ldnas.control import Verdict, compare, judge

HELPED, UNDECIDED, HURT = Verdict.HELPED, Verdict.UNDECIDED, Verdict.HURT
LABELS = torch.arange(40) % 2
RIGHT, WRONG = LABELS, 1 - LABELS


def with_errors(*places: int) -> torch.Tensor:
    predictions = LABELS.clone()
    predictions[list(places)] = 1 - predictions[list(places)]
    return predictions


def test_networks_that_are_always_right_beat_those_that_never_are_by_one_and_have_helped() -> None:
    comparison = compare([RIGHT] * 3, [WRONG] * 3, LABELS, classes=2, objective="accuracy")
    assert (comparison.difference, comparison.interval, comparison.verdict) == (1.0, (1.0, 1.0), HELPED)
    mirrored = compare([WRONG] * 3, [RIGHT] * 3, LABELS, classes=2, objective="accuracy")
    assert (mirrored.difference, mirrored.verdict) == (-1.0, HURT)


def test_equal_predictions_are_undecided() -> None:
    comparison = compare([RIGHT] * 3, [RIGHT] * 3, LABELS, classes=2, objective="macro_f1")
    assert (comparison.difference, comparison.interval, comparison.verdict) == (0.0, (0.0, 0.0), UNDECIDED)


@pytest.mark.parametrize("seeds", [1, 2])
def test_fewer_than_three_seeds_decide_nothing(seeds: int) -> None:
    comparison = compare([RIGHT] * seeds, [WRONG] * seeds, LABELS, classes=2, objective="accuracy")
    assert (comparison.difference, comparison.verdict) == (1.0, UNDECIDED)
    assert (comparison.interval is None) == (seeds == 1)


def test_the_same_one_image_from_three_seeds_is_too_little_to_decide_on() -> None:
    found, other = [RIGHT] * 3, [with_errors(7)] * 3
    comparison = compare(found, other, LABELS, classes=2, objective="accuracy")
    assert comparison.difference == pytest.approx(1 / 40)
    assert comparison.verdict is UNDECIDED  # the seeds agree, but other images would have another error


def test_the_interval_is_students_over_seeds_and_images() -> None:
    found = [with_errors(0, 1), with_errors(2), with_errors(4, 5, 6)]
    other = [with_errors(*range(8, 16)), with_errors(*range(10, 22)), with_errors(*range(8, 14))]
    comparison = compare(found, other, LABELS, classes=2, objective="accuracy")
    differences = [6 / 40, 11 / 40, 3 / 40]
    # Images are drawn within each class, 20 of 40 each: the variance of a class's mean over its images.
    by_image = (
        sum((mine == LABELS).double() - (theirs == LABELS).double() for mine, theirs in zip(found, other, strict=True))
        / 3
    )
    of_images = sum(float(by_image[label == LABELS].var(unbiased=False)) / 20 / 4 for label in (0, 1))
    half = 2.919986 * math.sqrt(statistics.variance(differences) / 3 + of_images)  # t of 2 degrees of freedom, 95 %
    assert comparison.difference == pytest.approx(20 / 120)
    low, high = comparison.interval
    assert high - low == pytest.approx(2 * half, rel=0.03)
    assert (low + high) / 2 == pytest.approx(20 / 120)


def test_the_objective_decides_what_counts() -> None:
    labels = torch.tensor([0] * 18 + [1] * 2)
    always_the_large_class = [torch.zeros(20, dtype=torch.int64)] * 3
    half_of_each = [torch.tensor([0] * 9 + [1] * 9 + [1, 0])] * 3
    by_images = compare(always_the_large_class, half_of_each, labels, classes=2, objective="accuracy")
    by_classes = compare(always_the_large_class, half_of_each, labels, classes=2, objective="balanced_accuracy")
    assert by_images.difference == pytest.approx(18 / 20 - 10 / 20)
    assert by_classes.difference == pytest.approx(0.5 - 0.5)


def test_equal_arguments_give_equal_intervals_and_other_draws_others() -> None:
    arguments = ([RIGHT, RIGHT, with_errors(3)], [with_errors(1), with_errors(1, 2), with_errors(5)], LABELS)
    first, again, other = (compare(*arguments, classes=2, objective="accuracy", seed=seed) for seed in (0, 0, 1))
    assert first.interval == again.interval != other.interval


def test_predictions_come_in_pairs() -> None:
    with pytest.raises(ValueError, match="3 and 2"):
        compare([RIGHT] * 3, [RIGHT] * 2, LABELS, classes=2, objective="accuracy")


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ((HELPED, HELPED, HELPED), HELPED),
        ((HELPED, HELPED, UNDECIDED), UNDECIDED),
        ((HELPED, HURT, HELPED), HURT),
        ((UNDECIDED, HURT, UNDECIDED), HURT),
        ((), UNDECIDED),
    ],
)
def test_all_other_ways_have_to_be_worse_for_helped_and_one_that_is_better_suffices_for_hurt(
    verdicts: tuple[Verdict, ...], expected: Verdict
) -> None:
    assert judge(verdicts) is expected
