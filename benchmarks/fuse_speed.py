"""Times one iteration of FUSE against a plain implementation of the authors' loop: for `fuse.py`.

The plain implementation does the work of their program with the tools a reader would take first: contiguous tensors,
torch's own dilated convolutions and pools, a pass over the data for every candidate where each descends its own loss,
torch.optim.Adam, and an α phase that runs the networks at every step. Same weights at the start, same minibatches
in the same order, same numbers of epochs and steps, so that both end on the same candidate.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ldnas.data.preprocessing import normalise
from ldnas.data.task_data import ImageSet
from ldnas.search.base import SearchProblem
from ldnas.search.candidates import fresh_candidates, validation_logits
from ldnas.search.fuse_race import FuseVariant, Mixture, expected_loss, relaxed_loss, step_alpha
from ldnas.seeding import derive_seed
from ldnas.space.genotype import Genotype
from ldnas.space.network import build_cell_network
from ldnas.space.primitives import AveragePool, DilatedDepthwiseConvolution

RATE, ALPHA_RATE = 3e-3, 0.1
MOMENTUM, AVERAGED_BATCHES = 0.1, 10
TRAIN, VALIDATION = 128, 64


@dataclass(frozen=True)
class Schedule:
    """Numbers of an iteration."""

    name: str
    rounds: int
    weight_epochs: int
    alpha_steps: int
    batch_size: int = 64


SCHEDULES = (Schedule("default", 3, 1, 20),)


def speeds(
    problem: SearchProblem,
    sets: Sequence[Sequence[Genotype]],
    *,
    repetitions: int,
    clock: Callable[[], float] = time.process_time,
) -> list[dict[str, Any]]:
    """A row per variant, schedule and set of candidates: seconds of every way, turn by turn, and whom it chose."""
    small = replace(problem, train=_first(problem.train, TRAIN), validation=_first(problem.validation, VALIDATION))
    rows = []
    for variant in (FuseVariant.RELAXED, FuseVariant.EXPECTED):
        for schedule in SCHEDULES:
            for number, genotypes in enumerate(sets):
                ways: dict[str, Callable[[], int]] = {
                    "plain": lambda g=genotypes, s=schedule, v=variant: plain_iteration(g, small, v, s, cached=False),
                    "plain, cached α": lambda g=genotypes, s=schedule, v=variant: plain_iteration(
                        g, small, v, s, cached=True
                    ),
                    "ldnas": lambda g=genotypes, s=schedule, v=variant: iteration(g, small, v, s, drop_lost=False),
                    "ldnas, drop_lost": lambda g=genotypes, s=schedule, v=variant: iteration(
                        g, small, v, s, drop_lost=True
                    ),
                }
                seconds, chosen = _interleaved(ways, repetitions, clock)
                rows.append(
                    {
                        "variant": str(variant),
                        "schedule": schedule.name,
                        "set": number,
                        "chosen": chosen,
                        "seconds": {name: statistics.median(found) for name, found in seconds.items()},
                        "plain_over": {
                            name: _ratios(seconds["plain"], found) for name, found in seconds.items() if name != "plain"
                        },
                        "cached_plain_over": {
                            name: _ratios(seconds["plain, cached α"], seconds[name])
                            for name in ("ldnas", "ldnas, drop_lost")
                        },
                    }
                )
                print(rows[-1], flush=True)
    return rows


def alpha_phase(problem: SearchProblem, genotypes: Sequence[Genotype], *, steps: int, repetitions: int) -> dict:
    """CPU seconds of an α phase on cached logits, the one pass that makes them included, and of one that runs the
    same channels-last networks at every step."""
    candidates = fresh_candidates(genotypes, problem, learning_rate=RATE, seed=0)
    labels = problem.validation.labels

    def phase(*, cached: bool) -> int:
        alpha = torch.zeros(len(genotypes), requires_grad=True)
        optimizer = torch.optim.Adam([alpha], lr=ALPHA_RATE)
        if cached:
            step_alpha(alpha, optimizer, validation_logits(candidates, problem), labels, steps=steps)
        else:
            for _ in range(steps):
                step_alpha(alpha, optimizer, validation_logits(candidates, problem), labels, steps=1)
        return int(alpha.argmax())

    ways = {"uncached": lambda: phase(cached=False), "cached": lambda: phase(cached=True)}
    seconds, chosen = _interleaved(ways, repetitions, time.process_time)
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    ratios = _ratios(seconds["uncached"], seconds["cached"])
    return {"steps": steps, "chosen": chosen, "seconds": medians, "uncached_over_cached": ratios}


def iteration(
    genotypes: Sequence[Genotype], problem: SearchProblem, variant: FuseVariant, schedule: Schedule, *, drop_lost: bool
) -> int:
    """The library's iteration: the place of the candidate that it chooses."""
    candidates = fresh_candidates(genotypes, problem, learning_rate=RATE, seed=0)
    mixture = Mixture(candidates, problem, variant=variant, alpha_learning_rate=ALPHA_RATE, drop_lost=drop_lost)
    for number in range(schedule.rounds):
        mixture.run_round(
            epochs=schedule.weight_epochs,
            alpha_steps=schedule.alpha_steps,
            batch_size=schedule.batch_size,
            seed=derive_seed(0, "round", number),
        )
        if len(mixture.racing) == 1:
            break
    return mixture.leader


def plain_iteration(
    genotypes: Sequence[Genotype], problem: SearchProblem, variant: FuseVariant, schedule: Schedule, *, cached: bool
) -> int:
    """The same, plainly; with `cached`, α's steps read logits that were computed once a round."""
    device = problem.compute.device
    networks = [
        plain(build_cell_network(genotype, problem.skeleton, seed=derive_seed(0, "weights", place))).to(device)
        for place, genotype in enumerate(genotypes)
    ]
    optimizers = [torch.optim.Adam(network.parameters(), lr=RATE) for network in networks]
    alpha = torch.zeros(len(networks), requires_grad=True, device=device)
    alpha_optimizer = torch.optim.Adam([alpha], lr=ALPHA_RATE)
    alpha_loss = relaxed_loss if variant is FuseVariant.RELAXED else expected_loss
    labels = problem.validation.labels
    steps = 0
    for number in range(schedule.rounds):
        frozen = alpha.detach().softmax(dim=0)
        together = variant is FuseVariant.RELAXED
        groups = [list(range(len(networks)))] if together else [[place] for place in range(len(networks))]
        begun = steps
        for group in groups:
            steps = begun
            for network in (networks[place] for place in group):
                network.train()
            for epoch in range(schedule.weight_epochs):
                seed = derive_seed(derive_seed(0, "round", number), "epoch", epoch)
                for inputs, targets in _loaded(problem.train, schedule.batch_size, seed):
                    for place in group:
                        _set_momentum(networks[place], None if steps < AVERAGED_BATCHES else MOMENTUM)
                    outputs = [networks[place](inputs) for place in group]
                    mixed = (
                        sum(frozen[p] * out for p, out in zip(group, outputs, strict=True)) if together else outputs[0]
                    )
                    for place in group:
                        optimizers[place].zero_grad()
                    F.cross_entropy(mixed, targets).backward()
                    for place in group:
                        optimizers[place].step()
                    steps += 1
                steps = max(steps, AVERAGED_BATCHES)
        logits = _outputs(networks, problem.validation) if cached else None
        for _ in range(schedule.alpha_steps):
            alpha_optimizer.zero_grad()
            now = _outputs(networks, problem.validation) if logits is None else logits
            alpha_loss(alpha.softmax(dim=0), now, labels).backward()
            alpha_optimizer.step()
    return int(alpha.argmax())


def plain(module: nn.Module) -> nn.Module:
    """The network with torch's own modules in place of those that compute the same faster."""
    for name, child in module.named_children():
        if isinstance(child, AveragePool):
            setattr(module, name, nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False))
        elif isinstance(child, DilatedDepthwiseConvolution):
            channels, kernel = child.in_channels, child.kernel_size[0]
            own = nn.Conv2d(channels, channels, kernel, padding=kernel - 1, dilation=2, groups=channels, bias=False)
            own.load_state_dict(child.state_dict())
            setattr(module, name, own)
        else:
            plain(child)
    return module


def _outputs(networks: Sequence[nn.Module], images: ImageSet) -> Tensor:
    with torch.no_grad():
        return torch.stack([network.eval()(normalise(images.images)) for network in networks])


def _loaded(images: ImageSet, batch_size: int, seed: int) -> list[tuple[Tensor, Tensor]]:
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    return [(normalise(images.images[part]), images.labels[part]) for part in order.split(batch_size)]


def _set_momentum(network: nn.Module, momentum: float | None) -> None:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = momentum


def _first(images: ImageSet, count: int) -> ImageSet:
    return images.subset(torch.arange(min(count, len(images)), device=images.labels.device))


def _interleaved(
    ways: dict[str, Callable[[], int]], repetitions: int, clock: Callable[[], float]
) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Seconds of each way, turn by turn after one unmeasured turn, and what each gave."""
    chosen = {name: way() for name, way in ways.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repetitions):
        for name, way in ways.items():
            began = clock()
            way()
            seconds[name].append(clock() - began)
    return seconds, chosen


def _ratios(slow: Sequence[float], fast: Sequence[float]) -> dict[str, float]:
    ratios = [one / other for one, other in zip(slow, fast, strict=True)]
    return {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)}
