"""Chooses by measurement on how many threads torch computes on a processor."""

import time
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from ldnas.space.network import weights_drawn_from

_SECONDS = 0.15
_TURNS = 8
_IMAGES, _IMAGE_SIZE = 32, 16
WORTH = 1.1
"""More threads are taken only if they are this many times as fast."""


def fastest_thread_count(
    *, step: Callable[[], object] | None = None, clock: Callable[[], float] = time.perf_counter
) -> int:
    """The number of threads that trains two convolutions fastest now: torch's own number, half of it, or one.

    Next to a busy process two threads may be many times slower than one, because each waits for the other at the end of
    every operation. All numbers take turns for 0.15 s; a first turn, in which threads begin, counts only if none
    follows. torch's own number is set again at the end.

    Args:
        step: the work to time; by default a training step on 32 images of 16 pixels.
    """
    own = torch.get_num_threads()
    counts = sorted({1, max(1, own // 2), own})
    if len(counts) == 1:
        return own
    step = step or _small_step()
    turns: list[list[float]] = []
    try:
        _seconds(step, 1, clock)  # allocates
        began = clock()
        while len(turns) < _TURNS and (not turns or clock() - began < _SECONDS):
            turns.append([_seconds(step, count, clock) for count in counts])
    finally:
        torch.set_num_threads(own)
    seconds = [sum(of_count) for of_count in zip(*(turns[1:] or turns), strict=True)]
    best = 0
    for place in range(1, len(counts)):
        if seconds[place] * WORTH < seconds[best]:
            best = place
    return counts[best]


def _seconds(step: Callable[[], object], threads: int, clock: Callable[[], float]) -> float:
    torch.set_num_threads(threads)
    began = clock()
    step()
    return clock() - began


def _small_step() -> Callable[[], object]:
    with weights_drawn_from(0):
        layers = nn.Conv2d(3, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(), nn.Conv2d(24, 48, 3, padding=1)
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()).to(memory_format=torch.channels_last)
    images = torch.zeros(_IMAGES, 3, _IMAGE_SIZE, _IMAGE_SIZE).contiguous(memory_format=torch.channels_last)
    labels = torch.zeros(_IMAGES, dtype=torch.int64)
    return lambda: F.cross_entropy(network(images), labels).backward()
