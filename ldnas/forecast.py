"""Forecasts the seconds of a search or a training by running and timing a small part of it."""

import copy
import random
import time
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from ldnas.data.task_data import ImageSet
from ldnas.networks.build import build_network
from ldnas.search.base import Clock, SearchBudget, SearchProblem, SearchRun, Strategy
from ldnas.seeding import derive_seed
from ldnas.space.network import build_cell_network
from ldnas.training.flip_test import EXAMINATION, examined, is_colour
from ldnas.training.micro_batches import MicroBatches
from ldnas.training.train import TrainConfig, fit

_BATCHES = 3
_SLOW_BATCH = 0.25
_SAMPLED_CELLS = 3
_SEARCH_BATCHES = (2, 12)
_LARGEST_CONSTANT = 0.5


def forecast_search(
    strategy: Strategy,
    problem: SearchProblem,
    *,
    iterations: int,
    batch_size: int,
    seed: int,
    clock: Clock = time.monotonic,
) -> tuple[float, ...]:
    """Seconds of each of a strategy's first `iterations`; see `forecast_iteration`.

    All iterations take equally long, except those of a warm-up, which are timed separately. An iteration whose
    candidates may leave early is timed with all of them to its last round, and scaled by `Strategy.cost_factor`.
    """

    def seconds(strategy: Strategy) -> float:
        return forecast_iteration(strategy, problem, batch_size=batch_size, seed=seed, clock=clock)

    warm_up = min(iterations, strategy.warm_up)
    first = (seconds(strategy),) * warm_up if warm_up else ()
    if warm_up == iterations:
        return first
    return first + (strategy.cost_factor * seconds(strategy.steady()),) * (iterations - warm_up)


def forecast_iteration(
    strategy: Strategy, problem: SearchProblem, *, batch_size: int, seed: int, clock: Clock = time.monotonic
) -> float:
    """Seconds of a strategy's first iteration, estimated from iterations on small parts of the images.

    An iteration takes a constant and a term that grows with the images. Both come from an iteration on 2 and one on 12
    batches (on a quarter and a half of few images), with the same share of the validation images, after one that warms
    up caches and allocators. Two such times are noisy on a busy machine, so the constant is limited to half of the
    longer one. The results of these iterations are discarded.
    """
    images = len(problem.train)
    shares = [
        min(batches * batch_size / images, part) for batches, part in zip(_SEARCH_BATCHES, (0.25, 0.5), strict=True)
    ]
    _, *seconds = [_timed_iteration(strategy, problem, share, seed, clock) for share in (shares[0], *shares)]
    constant = seconds[0] - (seconds[1] - seconds[0]) / (shares[1] - shares[0]) * shares[0]
    constant = min(max(0.0, constant), _LARGEST_CONSTANT * seconds[1])
    slope = (seconds[1] - constant) / shares[1]
    return seconds[1] + slope * (1 - shares[1])


def seconds_of_epoch(
    network: nn.Module,
    train: ImageSet,
    config: TrainConfig,
    *,
    clock: Clock = time.monotonic,
    micro_batches: MicroBatches | None = None,
) -> float:
    """Seconds of one pass of `fit` over the training images, from some batches; the network does not change.

    The first batch warms up caches and allocators. Where it takes longer than `_SLOW_BATCH`, one more is timed, and
    otherwise `_BATCHES` of them.
    """
    trial = copy.deepcopy(network)

    def timed(batches: int) -> tuple[float, int]:
        part = train.subset(torch.arange(min(len(train), batches * config.batch_size), device=train.labels.device))
        began, ends = clock(), list[float]()
        short = replace(config, epochs=1, minimum_steps=0)
        fit(trial, part, config=short, seed=0, on_epoch=lambda _: ends.append(clock()), micro_batches=micro_batches)
        return ends[0] - began, len(part)

    first, _ = timed(1)
    seconds, images = timed(1 if first > _SLOW_BATCH else _BATCHES)
    return seconds * len(train) / images


def forecast_epoch(problem: SearchProblem, config: TrainConfig, *, seed: int, clock: Clock = time.monotonic) -> float:
    """Seconds of an epoch of a network that is not found yet: the mean over three cells drawn from the space."""
    times = []
    for number in range(_SAMPLED_CELLS):
        cell = problem.sample(random.Random(derive_seed(seed, "forecast", number)))
        network = build_cell_network(cell, problem.skeleton, seed=0).to(problem.compute.device)
        own = seconds_of_epoch(network, problem.train, config, clock=clock, micro_batches=problem.compute.micro_batches)
        times.append(own)
    return sum(times) / len(times)


def forecast_mirroring(
    train: ImageSet, *, clock: Clock = time.monotonic, micro_batches: MicroBatches | None = None
) -> float:
    """Seconds of the check whether the training images may be mirrored; 0 for grey images."""
    if not is_colour(train):
        return 0.0
    part = examined(train, seed=0)
    network = build_network("small_cnn", classes=int(part.labels.max()) + 1, seed=0).to(part.labels.device)
    own = seconds_of_epoch(network, part, EXAMINATION, clock=clock, micro_batches=micro_batches)
    return EXAMINATION.epochs_for(len(part)) * own


def affordable_epochs(epochs: int, seconds_each: float, seconds_left: float) -> int:
    """The epochs of a recipe that fit into the time that is left, at least one."""
    return max(1, min(epochs, int(seconds_left / seconds_each)))


def _timed_iteration(strategy: Strategy, problem: SearchProblem, share: float, seed: int, clock: Clock) -> float:
    part = replace(
        problem,
        train=_part(problem.train, share, seed),
        validation=_part(problem.validation, share, seed),
    )
    began = clock()
    strategy.search(SearchRun(part, SearchBudget(iterations=1), seed))
    return clock() - began


def _part(images: ImageSet, share: float, seed: int) -> ImageSet:
    count = min(len(images), max(2, round(share * len(images))))
    order: Sequence[int] = random.Random(derive_seed(seed, "forecast part")).sample(range(len(images)), count)
    return images.subset(torch.tensor(order, device=images.labels.device))
