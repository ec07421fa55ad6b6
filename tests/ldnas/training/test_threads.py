"""The number of threads that is chosen for given seconds of a step on each number."""

from collections.abc import Iterator

import pytest
import torch

from ldnas.training.threads import fastest_thread_count


@pytest.fixture(autouse=True)
def four_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


class Machine:
    """Each step takes as many seconds as its number of threads says; a first step on a number takes `start` more."""

    def __init__(self, seconds: dict[int, float], start: float = 0.0) -> None:
        self.now = 0.0
        self.steps: list[int] = []
        self._seconds = seconds
        self._start = start

    def clock(self) -> float:
        return self.now

    def step(self) -> None:
        count = torch.get_num_threads()
        self.now += self._seconds[count] + (0 if count in self.steps else self._start)
        self.steps.append(count)


@pytest.mark.parametrize(
    ("seconds", "start", "expected"),
    [
        ({1: 0.010, 2: 0.006, 4: 0.004}, 0.0, 4),
        ({1: 0.010, 2: 0.006, 4: 0.0058}, 0.0, 2),
        ({1: 0.010, 2: 0.0095, 4: 0.030}, 0.0, 1),
        ({1: 0.010, 2: 0.006, 4: 0.004}, 0.05, 4),
        ({1: 0.010, 2: 0.3, 4: 0.4}, 0.0, 1),
    ],
)
def test_more_threads_are_taken_if_they_are_a_tenth_faster(
    seconds: dict[int, float], start: float, expected: int
) -> None:
    machine = Machine(seconds, start)
    assert fastest_thread_count(step=machine.step, clock=machine.clock) == expected
    assert torch.get_num_threads() == 4


def test_steps_that_take_long_are_not_repeated() -> None:
    machine = Machine({1: 0.010, 2: 0.3, 4: 0.4})
    fastest_thread_count(step=machine.step, clock=machine.clock)
    assert machine.steps == [1, 1, 2, 4]


def test_a_single_thread_is_not_measured() -> None:
    torch.set_num_threads(1)
    assert fastest_thread_count(step=lambda: pytest.fail("it was run")) == 1


def test_the_own_step_runs() -> None:
    assert fastest_thread_count() in {1, 2, 4}
