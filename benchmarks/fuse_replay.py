"""Whom FUSE and successive halving would choose, replayed from what each cell learned alone (`fuse_cells.py`)."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from benchmarks.fuse_cells import ALPHA_RATE, ALPHA_STEPS, ROUNDS, Bench
from ldnas.search.fuse_race import FuseVariant, image_losses, lost, step_alpha


@dataclass(frozen=True)
class Choice:
    """The cell that was chosen, the CPU seconds its choice took and the epochs trained, over all candidates."""

    cell: int
    seconds: float
    epochs: int


def weigh(
    bench: Bench,
    members: Sequence[int],
    seed: int,
    variant: FuseVariant,
    *,
    drop_lost: bool = False,
    before: Mapping[int, int] | None = None,
) -> Choice:
    """One iteration of FUSE in which every candidate descends its own loss.

    Args:
        before: epochs that a member has had already (an incumbent that keeps its weights); 0 where it is not named.
    """
    kept = [bench.trajectory(cell, seed) for cell in members]
    begun = [(before or {}).get(cell, 0) for cell in members]
    labels = bench.problem.validation.labels
    alpha = torch.zeros(len(members), requires_grad=True)
    optimizer = torch.optim.Adam([alpha], lr=ALPHA_RATE)
    racing, seconds, epochs = list(range(len(members))), 0.0, 0
    logits = torch.zeros(len(members), *kept[0][0].shape[1:])
    for number in range(ROUNDS):
        for place in racing:
            logits[place] = kept[place][0][begun[place] + number]
            seconds += kept[place][1][begun[place] + number]
            epochs += 1
        step_alpha(alpha, optimizer, logits, labels, steps=ALPHA_STEPS, variant=variant)
        if drop_lost:
            gone = [place for place, out in enumerate(lost(image_losses(logits, labels), int(alpha.argmax()))) if out]
            with torch.no_grad():
                alpha[gone] = -torch.inf
            racing = [place for place in racing if place not in gone]
        if len(racing) == 1:
            break
    return Choice(members[int(alpha.argmax())], seconds, epochs)


def halve(bench: Bench, members: Sequence[int], seed: int) -> Choice:
    """A bracket of random search: after each epoch the more accurate half trains on, three epochs in all."""
    labels = bench.problem.validation.labels
    racing, seconds, epochs = list(members), 0.0, 0
    for epoch in range(ROUNDS):
        accuracies = {}
        for cell in racing:
            logits, spent = bench.trajectory(cell, seed)
            accuracies[cell] = float((logits[epoch].argmax(dim=1) == labels).double().mean())
            seconds += spent[epoch]
            epochs += 1
        racing = sorted(racing, key=lambda cell: -accuracies[cell])
        if epoch < ROUNDS - 1:
            racing = racing[: math.ceil(len(racing) / 2)]
    return Choice(racing[0], seconds, epochs)


def within(
    way: Callable[[Sequence[int]], Choice], members: Sequence[int], others: Sequence[int], seconds: float
) -> Choice:
    """The choice from most candidates that the CPU seconds allow: the members, and as many others as fit."""
    choice = way(members)
    for count in range(1, len(others) + 1):
        larger = way([*members, *others[:count]])
        if larger.seconds > seconds:
            break
        choice = larger
    return choice
