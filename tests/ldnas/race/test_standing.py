"""Standings, their errors, and who goes to the next rung; reference values by hand or by a closed form."""

import math

import pytest
import torch
from torch import Tensor

from ldnas.race.standing import CYCLE_ERROR, Standing, difference_error, outclasses, standing, survivors


def logits_with(correct: Tensor, labels: Tensor, *, margin: float = 2.0) -> Tensor:
    """Logits [N, 2] that are right on the images where `correct` is true, by `margin`."""
    predicted = torch.where(correct, labels, 1 - labels)
    return margin * torch.nn.functional.one_hot(predicted, 2).float()


def correct_first(right: int, images: int) -> Tensor:
    return torch.arange(images) < right


def test_a_standing_has_the_score_and_its_binomial_error() -> None:
    labels = torch.zeros(400, dtype=torch.int64)
    own = standing(logits_with(correct_first(300, 400), labels), labels, objective="accuracy", seed=0)
    assert own.score == 0.75
    assert own.standard_error == pytest.approx(math.hypot(math.sqrt(0.75 * 0.25 / 400), CYCLE_ERROR), rel=0.15)


def test_the_error_of_a_difference_is_paired() -> None:
    labels = torch.zeros(1000, dtype=torch.int64)
    first, second = (logits_with(correct_first(right, 1000), labels) for right in (800, 760))
    # The two differ on 40 images alone: the variance of the difference is that of a share of .04, over N.
    expected = math.hypot(math.sqrt(0.04 * 0.96 / 1000), CYCLE_ERROR, CYCLE_ERROR)
    assert difference_error(first, second, labels, objective="accuracy", seed=0) == pytest.approx(expected, rel=0.1)


def test_those_far_behind_leave_and_the_close_ones_are_ordered_by_their_loss() -> None:
    labels = torch.zeros(1000, dtype=torch.int64)

    def own(right: int, margin: float) -> Standing:
        return standing(
            logits_with(correct_first(right, 1000), labels, margin=margin), labels, objective="accuracy", seed=0
        )

    field = {"best": own(900, 4.0), "far": own(700, 2.0), "calm": own(895, 2.0), "close": own(894, 4.0)}
    # Where a tenth is wrong, a margin of 4 costs .42 nats and one of 2 costs .34. All but one are within the errors.
    assert survivors(field, labels, objective="accuracy", seed=0) == ("calm", "best")
    # Five points are 2.9 standard errors here: .007 of the 50 images that differ, .011 of each cycle.
    alone = {"best": own(900, 2.0), "behind": own(850, 2.0), "far": own(700, 2.0)}
    assert survivors(alone, labels, objective="accuracy", seed=0) == ("best",)


def test_one_alone_stays() -> None:
    labels = torch.zeros(10, dtype=torch.int64)
    only = standing(logits_with(correct_first(5, 10), labels), labels, objective="accuracy", seed=0)
    assert survivors({"only": only}, labels, objective="accuracy", seed=0) == ("only",)


def test_the_leader_outclasses_the_untried_with_fewer_than_six_tenths_of_the_errors() -> None:
    # .6 of the better one's errors, .3, are .18.
    assert outclasses(0.83, [0.5, 0.7])
    assert not outclasses(0.81, [0.5, 0.7])
    assert not outclasses(0.99, [])


def test_a_fitted_head_counts_by_the_score_that_tuning_reaches() -> None:
    labels = torch.zeros(1000, dtype=torch.int64)

    def own(right: int, margin: float) -> Standing:
        logits = logits_with(correct_first(right, 1000), labels, margin=margin)
        return standing(logits, labels, objective="accuracy", seed=0)

    def choice(trained: Standing, head: Standing) -> tuple[str, ...]:
        field = {"trained": trained, "head": head}
        return survivors(field, labels, objective="accuracy", seed=0, untuned=["head"])

    # The head's 300 errors become 200 by tuning: .8, nine points more than the network with the lower loss.
    assert choice(own(710, 1.0), own(700, 4.0)) == ("head",)
    # 60 errors become 40, and the trained network has 35 already: not significant, so the score decides, not the loss.
    assert choice(own(965, 4.0), own(940, 1.0)) == ("trained",)
