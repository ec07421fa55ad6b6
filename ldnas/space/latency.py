"""Measures how long networks and their operations take for one image on a device."""

import platform
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from ldnas.space.genotype import EDGES, Genotype
from ldnas.space.latency_table import LatencyTable
from ldnas.space.network import build_cell_network
from ldnas.space.primitives import BUILDERS
from ldnas.space.skeleton import Skeleton
from ldnas.space.space import SearchSpace

__all__ = ["LatencyTable", "device_name", "measure_latency_ms", "measure_latency_table"]

_RUNS = 20
_WARM_UP = 5


def measure_latency_ms(network: nn.Module, image_size: int, *, clock: Callable[[], float] = time.perf_counter) -> float:
    """Median milliseconds of a network in eval mode for one image on its device, after a warm-up, to 1 µs."""
    shape = (1, 3, image_size, image_size)
    return round(_median_ms(network, shape, next(network.parameters()).device, clock), 3)


def measure_latency_table(
    skeleton: Skeleton, space: SearchSpace, device: torch.device, *, clock: Callable[[], float] = time.perf_counter
) -> LatencyTable:
    """The table of every primitive of the space in every stage of the skeleton, each operation timed by itself.

    A prediction adds up separate timings: it ignores caches that the parts share and overlap on the device, so a
    network that must satisfy a limit is measured once it is built.
    """
    plain = build_cell_network(Genotype(("identity",) * len(EDGES)), skeleton, seed=0).to(device).eval()
    image = (1, 3, skeleton.image_size, skeleton.image_size)
    stage_ms = {}
    for primitive in space.primitives:
        times = []
        for stage, side in zip(skeleton.stages, skeleton.sides, strict=True):
            timed = stage.cells > 0 and primitive != "identity"
            shape = (1, stage.channels, side, side)
            operation = BUILDERS[primitive](stage.channels).to(device).eval() if timed else None
            times.append(0.0 if operation is None else _median_ms(operation, shape, device, clock))
        stage_ms[primitive] = tuple(times)
    return LatencyTable(device_name(device), skeleton, _median_ms(plain, image, device, clock), stage_ms)


def device_name(device: torch.device) -> str:
    """The device's name: the name of the card, or the processor's architecture with the number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({platform.machine()}, {torch.get_num_threads()} threads)"


@torch.no_grad()
def _median_ms(module: nn.Module, shape: tuple[int, ...], device: torch.device, clock: Callable[[], float]) -> float:
    inputs = torch.zeros(shape, device=device)
    times = []
    for _ in range(_RUNS):
        started = clock()
        module(inputs)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append((clock() - started) * 1000)
    return statistics.median(times[_WARM_UP:])
