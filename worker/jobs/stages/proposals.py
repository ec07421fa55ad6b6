"""Proposes the cells that a study tries."""

import itertools
import random
from collections.abc import Collection, Iterator, Sequence

from ldnas.seeding import derive_seed
from ldnas.space.genotype import EDGES, PRIMITIVES, Genotype
from ldnas.space.space import FULL_SPACE

NEIGHBOUR_SHARE = 3
"""One of so many proposed cells is a neighbour of a known one, if enough cells are known."""


def propose_cells(
    known: Sequence[Genotype], *, trained: Collection[Genotype], count: int, seed: int
) -> tuple[Genotype, ...]:
    """`count` cells to try that are not in `trained`: known cells, then neighbours of them.

    `known` has the best cell first; its neighbours come first. Where no cell is known, the cells are drawn from the
    full space.
    """
    untrained = [cell for cell in known if cell not in trained][: count - count // NEIGHBOUR_SHARE]
    rng = random.Random(derive_seed(seed, "proposals"))
    near = (neighbour for cell in known for neighbour in _neighbours(cell, rng))
    drawn = FULL_SPACE.sample_distinct(rng, count) if not known else ()
    new = dict.fromkeys(cell for cell in itertools.chain(untrained, near, drawn) if cell not in trained)
    return tuple(itertools.islice(new, count))


def _neighbours(cell: Genotype, rng: random.Random) -> Iterator[Genotype]:
    """The cells that differ from this one in the primitive of one edge, in random order."""
    changes = [
        (edge, primitive)
        for edge in range(len(EDGES))
        for primitive in PRIMITIVES
        if primitive != cell.primitives[edge]
    ]
    for edge, primitive in rng.sample(changes, len(changes)):
        yield Genotype((*cell.primitives[:edge], primitive, *cell.primitives[edge + 1 :]))
