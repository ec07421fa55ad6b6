"""Proposes cells for a new task: the best evaluated ones, and neighbours of them. Needs no torch."""

import itertools
import random
from collections.abc import Callable, Iterator

from ldnas.memory.pooled import PooledScores
from ldnas.seeding import derive_seed
from ldnas.space.genotype import EDGES, PRIMITIVES, Genotype

_NEIGHBOUR_SHARE = 3
"""One of so many cells to try is a neighbour."""


def propose(
    pooled: PooledScores,
    count: int,
    seed: int,
    admits: Callable[[Genotype], bool] = lambda genotype: True,
    cost: Callable[[Genotype], float] = lambda genotype: 0.0,
) -> tuple[Genotype, ...]:
    """At most `count` different cells, the most promising one first; fewer where not so many are admitted.

    First the evaluated cells from the best down to the average one, then neighbours of the best, then the remaining
    evaluated cells. A cell without a score is proposed only as a neighbour: scores of its edges do not predict it.
    Of the cells within one posterior standard deviation of the best one, the cheapest come first: scores compare equal
    numbers of epochs, and the same seconds give a cheap cell more of them (the one-standard-error rule of Breiman et
    al., Classification and Regression Trees, 1984).

    Args:
        pooled: the evaluated cells.
        count: of the proposed cells.
        seed: decides the order of the neighbours.
        admits: whether a cell satisfies the constraints.
        cost: of a cell's training, in any unit.
    """
    ranked = list(pooled.effects)
    good = [genotype for genotype in ranked if pooled.effects[genotype].mean >= 0]
    if good:
        best = pooled.effects[good[0]]
        close = [cell for cell in good if best.mean - pooled.effects[cell].mean <= best.standard_deviation]
        good = [*sorted(close, key=cost), *good[len(close) :]]
    candidates = itertools.chain(good, _new_neighbours(pooled, seed), ranked[len(good) :])
    return tuple(itertools.islice(filter(admits, candidates), count))


def explore(
    pooled: PooledScores, count: int, seed: int, admits: Callable[[Genotype], bool] = lambda genotype: True
) -> tuple[Genotype, ...]:
    """At most `count` different cells to try: the best evaluated ones, and a new neighbour for every two of them.

    Args as of `propose`. Where not so many neighbours are admitted, more evaluated cells take their place.
    """
    ranked = list(filter(admits, pooled.effects))
    known = ranked[: count - count // _NEIGHBOUR_SHARE]
    near = filter(admits, _new_neighbours(pooled, seed))
    return tuple(itertools.islice(itertools.chain(known, near, ranked[len(known) :]), count))


def neighbours(genotype: Genotype) -> list[Genotype]:
    """All cells that differ from this one in the primitive of one edge."""
    own = genotype.primitives
    return [
        Genotype((*own[:edge], primitive, *own[edge + 1 :]))
        for edge in range(len(EDGES))
        for primitive in PRIMITIVES
        if primitive != own[edge]
    ]


def _new_neighbours(pooled: PooledScores, seed: int) -> Iterator[Genotype]:
    """The neighbours without a score of the evaluated cells, the best cell's first, each once."""
    seen = set(pooled.effects)
    for genotype in pooled.effects:
        found = [each for each in neighbours(genotype) if each not in seen]
        random.Random(derive_seed(seed, "neighbours", genotype.digest)).shuffle(found)
        seen.update(found)
        yield from found
