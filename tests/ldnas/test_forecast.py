"""The forecast seconds of a search and of a training, on a clock that counts images or shows given seconds."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ldnas.data.task_data import ImageSet
from ldnas.forecast import (
    affordable_epochs,
    forecast_epoch,
    forecast_iteration,
    forecast_mirroring,
    forecast_search,
    seconds_of_epoch,
)
from ldnas.search.base import SearchProblem
from ldnas.space.genotype import Genotype
from ldnas.space.network import build_cell_network
from ldnas.space.skeleton import Skeleton, Stage
from ldnas.space.space import FULL_SPACE
from ldnas.training.train import TrainConfig

SKELETON = Skeleton(8, 2, 4, (Stage(4, 1),))


class LinearStrategy:
    """Its iteration takes 5 seconds, and 0.5 for each training image; its first one 100 seconds more."""

    warm_up, cost_factor = 0, 1.0

    def __init__(self) -> None:
        self.now = 100.0
        self.cold = True

    def steady(self):
        return self

    def search(self, run):
        assert run.budget.iterations == 1
        self.now += 5 + 0.5 * len(run.problem.train) + 100 * self.cold
        self.cold = False


NOW = [0.0]


@dataclass(frozen=True)
class WarmingStrategy:
    """An iteration on 40 images takes 3 seconds while it warms up, 8 from then on."""

    warm_up: int = 2
    cost_factor: float = 1.0

    def steady(self):
        return replace(self, warm_up=0)

    def search(self, run):
        NOW[0] += (3.0 if self.warm_up else 8.0) * len(run.problem.train) / 40


@dataclass(frozen=True)
class DroppingStrategy:
    """10 seconds for an iteration on 40 images to its last round; none where candidates leave."""

    drop_lost: bool = True
    warm_up: int = 0
    cost_factor: float = 0.65

    def steady(self):
        return replace(self, drop_lost=False)

    def search(self, run):
        NOW[0] += 0.0 if self.drop_lost else len(run.problem.train) / 4


def images(count: int) -> ImageSet:
    return ImageSet(torch.zeros(count, 3, 8, 8, dtype=torch.uint8), torch.arange(count) % 2)


def problem(count: int) -> SearchProblem:
    return SearchProblem(images(count), images(40), FULL_SPACE, SKELETON)


def ticks(*seconds: float) -> Callable[[], float]:
    """A clock that shows these seconds, one after the other."""
    return iter(seconds).__next__


@pytest.mark.parametrize("count", [40, 1000])
def test_an_iteration_is_forecast_from_a_constant_and_a_term_for_each_image(count: int) -> None:
    strategy: Any = LinearStrategy()
    seconds = forecast_iteration(strategy, problem(count), batch_size=10, seed=0, clock=lambda: strategy.now)
    assert seconds == pytest.approx(5 + 0.5 * count)


@pytest.mark.parametrize(
    ("ends", "seconds"),
    # A run that warms up, then one on 10 and one on 20 of 40 images. At most 5 seconds of the longer one are
    # believed to be its constant: then 20 images more take 5 more.
    [((9, 10, 10), 15), ((9, 12, 10), 15), ((9, 5, 10), 20), ((9, 4, 10), 20), ((9, 6, 10), 18)],
)
def test_a_constant_between_nothing_and_a_half_is_believed(ends: tuple[float, ...], seconds: float) -> None:
    marks = [mark for run in ends for mark in (0.0, run)]
    strategy: Any = SimpleNamespace(search=lambda run: None)
    assert forecast_iteration(strategy, problem(40), batch_size=10, seed=0, clock=ticks(*marks)) == seconds


def test_iterations_without_a_warm_up_have_equal_forecasts() -> None:
    strategy: Any = LinearStrategy()
    clock = lambda: strategy.now  # noqa: E731
    seconds = forecast_search(strategy, problem(40), iterations=3, batch_size=10, seed=0, clock=clock)
    assert seconds == pytest.approx((25.0, 25.0, 25.0))


@pytest.mark.parametrize(("iterations", "seconds"), [(1, (3,)), (2, (3, 3)), (5, (3, 3, 8, 8, 8))])
def test_iterations_after_a_warm_up_are_timed_by_themselves(iterations: int, seconds: tuple[int, ...]) -> None:
    strategy: Any = WarmingStrategy()
    found = forecast_search(strategy, problem(40), iterations=iterations, batch_size=10, seed=0, clock=lambda: NOW[0])
    assert found == pytest.approx(seconds)


def test_an_iteration_that_candidates_leave_takes_what_that_leaves_of_all_rounds_in_the_mean() -> None:
    strategy: Any = DroppingStrategy()
    found = forecast_search(strategy, problem(40), iterations=2, batch_size=10, seed=0, clock=lambda: NOW[0])
    assert found == pytest.approx((6.5, 6.5))


@pytest.mark.parametrize(("first", "timed"), [(0.25, 12), (0.5, 4)])
def test_an_epoch_is_scaled_from_three_batches_or_one_slow_one_after_one_that_warms_up(
    first: float, timed: int
) -> None:
    network = build_cell_network(Genotype(("identity",) * 6), SKELETON, seed=0)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    config = TrainConfig(epochs=7, batch_size=4, minimum_steps=1000)
    # The pass that ends at 9.0 began at 7.0.
    seconds = seconds_of_epoch(network, images(100), config, clock=ticks(0.0, first, 7.0, 9.0))
    assert seconds == pytest.approx(2.0 * 100 / timed)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_few_images_are_timed_whole() -> None:
    network = build_cell_network(Genotype(("identity",) * 6), SKELETON, seed=0)
    assert seconds_of_epoch(network, images(5), TrainConfig(batch_size=4), clock=ticks(0.0, 0.1, 1.0, 1.5)) == 0.5


def test_an_epoch_of_a_network_that_is_not_found_yet_is_the_mean_over_three_cells() -> None:
    # 1, 2 and 6 seconds for 12 of 36 images, each after .1 seconds for 4.
    clock = ticks(0.0, 0.1, 0.1, 1.1, 10.0, 10.1, 10.1, 12.1, 20.0, 20.1, 20.1, 26.1)
    assert forecast_epoch(problem(36), TrainConfig(batch_size=4), seed=0, clock=clock) == pytest.approx(3 * 3.0)


def test_only_colour_images_take_a_training_to_decide_on_mirroring() -> None:
    grey = images(130)
    assert forecast_mirroring(grey, clock=ticks()) == 0.0
    colour = ImageSet(grey.images.clone(), grey.labels)
    colour.images[0, 0] = 255
    # 130 images are 3 batches of 64: 34 epochs to get 100 steps.
    assert forecast_mirroring(colour, clock=ticks(0.0, 0.1, 0.1, 0.6)) == pytest.approx(34 * 0.5)


@pytest.mark.parametrize(("left", "epochs"), [(100.0, 15), (45.0, 15), (44.9, 14), (3.5, 1), (-8.0, 1)])
def test_a_training_gets_the_whole_epochs_that_fit_and_one_at_least(left: float, epochs: int) -> None:
    assert affordable_epochs(15, 3.0, left) == epochs
