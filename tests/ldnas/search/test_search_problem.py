"""A search problem and a budget refuse what cannot be searched."""

import pytest
import torch

from ldnas.data.task_data import ImageSet
from ldnas.errors import InvalidSearchError
from ldnas.search.base import SearchBudget, SearchProblem
from ldnas.space.skeleton import default_skeleton
from ldnas.space.space import FULL_SPACE
from ldnas.training.micro_batches import Compute


def images(count=4, side=8, label=1):
    return ImageSet(torch.zeros(count, 3, side, side, dtype=torch.uint8), torch.full((count,), label))


@pytest.mark.parametrize(
    ("train", "validation", "said"),
    [
        (images(count=0), images(), "at least one train image"),
        (images(), images(count=0), "at least one validation image"),
        (images(side=16), images(), "train images are"),
        (images(), images(label=2), "a validation label lies outside the skeleton's 2 classes"),
        (images(label=-1), images(), "a train label lies outside"),
    ],
)
def test_images_that_do_not_fit_the_skeleton_are_refused(train, validation, said):
    with pytest.raises(InvalidSearchError, match=said):
        SearchProblem(train, validation, FULL_SPACE, default_skeleton(8, 2))


def test_images_on_another_device_than_the_networks_are_refused():
    compute = Compute(torch.device("meta"))
    with pytest.raises(InvalidSearchError, match="train images are on cpu, the networks on meta"):
        SearchProblem(images(), images(), FULL_SPACE, default_skeleton(8, 2), compute=compute)


@pytest.mark.parametrize("wrong", [{"iterations": 0}, {"seconds": 0.0}, {"seconds": float("nan")}, {"patience": 0}])
def test_a_budget_of_nothing_is_refused(wrong):
    with pytest.raises(InvalidSearchError) as refusal:
        SearchBudget(**wrong)
    assert refusal.value.field == f"budget.{next(iter(wrong))}"
