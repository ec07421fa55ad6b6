"""What a search and a training are foretold to take, on a clock that counts images."""

import pytest
import torch

from ldnas.data.task_data import ImageSet
from ldnas.forecast import affordable_epochs, foretell_iteration
from ldnas.search.base import SearchProblem
from ldnas.space.skeleton import Skeleton, Stage
from ldnas.space.space import FULL_SPACE


class LinearStrategy:
    """Its iteration takes 5 seconds, and 0.5 for each training image."""

    def __init__(self) -> None:
        self.now = 100.0

    def search(self, problem, *, budget, **rest):
        assert budget.iterations == 1
        self.now += 5 + 0.5 * len(problem.train)


def problem(images: int) -> SearchProblem:
    def some(count: int) -> ImageSet:
        return ImageSet(torch.zeros(count, 3, 8, 8, dtype=torch.uint8), torch.arange(count) % 2)

    return SearchProblem(some(images), some(40), FULL_SPACE, Skeleton(8, 2, 4, (Stage(4, 1),)))


@pytest.mark.parametrize("images", [40, 1000])
def test_an_iteration_is_foretold_from_a_constant_and_a_term_for_each_image(images: int) -> None:
    strategy = LinearStrategy()
    seconds = foretell_iteration(strategy, problem(images), batch_size=10, seed=0, clock=lambda: strategy.now)
    assert seconds == pytest.approx(5 + 0.5 * images)


@pytest.mark.parametrize(("left", "epochs"), [(100.0, 15), (45.0, 15), (44.9, 14), (3.5, 1), (-8.0, 1)])
def test_a_training_gets_the_whole_epochs_that_fit_and_one_at_least(left: float, epochs: int) -> None:
    assert affordable_epochs(15, 3.0, left) == epochs
