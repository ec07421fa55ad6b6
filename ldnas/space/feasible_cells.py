"""The cells of a space that satisfy the constraints: counted, listed and drawn uniformly. Needs no torch.

A network's counts depend only on how often each primitive is used, not on which edge carries it. So a space of
P primitives is judged by its C(P + 5, 6) multisets (1,716 of 262,144 cells), each standing for 6! / Π n_p! cells.
"""

import itertools
import math
import random
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property

from ldnas.space.constraints import UNLIMITED, Constraints
from ldnas.space.genotype import EDGES, Genotype
from ldnas.space.latency_table import LatencyTable
from ldnas.space.skeleton import Skeleton
from ldnas.space.space import LISTED_SIZE, SearchSpace


@dataclass(frozen=True)
class FeasibleCells:
    """The cells of `space` whose networks satisfy `constraints`; it draws as a `SearchSpace` does."""

    space: SearchSpace
    skeleton: Skeleton
    constraints: Constraints = UNLIMITED
    latency: LatencyTable | None = None

    @property
    def primitives(self) -> tuple[str, ...]:
        """Those of the space."""
        return self.space.primitives

    @cached_property
    def multisets(self) -> tuple[tuple[str, ...], ...]:
        """Every six primitives, in the space's order, whose cells are admitted."""
        sets = itertools.combinations_with_replacement(self.primitives, len(EDGES))
        return tuple(cell for cell in sets if self._satisfies_limits(Genotype(cell)))

    @cached_property
    def size(self) -> int:
        """The number of admitted cells."""
        return self.space.size if self.constraints.unlimited else sum(self._arrangements)

    def contains(self, genotype: Genotype) -> bool:
        """Whether the cell lies in the space and its network satisfies every limit."""
        return self.space.contains(genotype) and self._satisfies_limits(genotype)

    def __iter__(self) -> Iterator[Genotype]:
        """Every admitted cell once."""
        if self.constraints.unlimited:
            return iter(self.space)
        return (Genotype(cell) for multiset in self.multisets for cell in sorted(set(itertools.permutations(multiset))))

    def sample(self, rng: random.Random) -> Genotype:
        """One admitted cell, uniformly: a multiset by the number of its arrangements, then one of these."""
        if self.constraints.unlimited:
            return self.space.sample(rng)
        (multiset,) = rng.choices(self.multisets, weights=self._arrangements)
        return Genotype(tuple(rng.sample(multiset, len(EDGES))))

    def sample_distinct(
        self, rng: random.Random, count: int, *, exclude: Collection[Genotype] = frozenset()
    ) -> tuple[Genotype, ...]:
        """`count` different admitted cells, none of them in `exclude`, uniformly; fewer if not so many exist."""
        if self.constraints.unlimited:
            return self.space.sample_distinct(rng, count, exclude=exclude)
        excluded = {genotype for genotype in exclude if self.contains(genotype)}
        # Rejection sampling is fast only while most drawn cells are new.
        if self.size <= LISTED_SIZE or self.size - len(excluded) < self.size // 2 + count:
            remaining = [genotype for genotype in self if genotype not in excluded]
            return tuple(rng.sample(remaining, min(count, len(remaining))))
        drawn: dict[Genotype, None] = {}
        while len(drawn) < count:
            genotype = self.sample(rng)
            if genotype not in excluded:
                drawn[genotype] = None
        return tuple(drawn)

    @cached_property
    def _arrangements(self) -> tuple[int, ...]:
        """How many cells each multiset stands for."""
        orders = math.factorial(len(EDGES))
        return tuple(
            orders // math.prod(math.factorial(times) for times in Counter(multiset).values())
            for multiset in self.multisets
        )

    def _satisfies_limits(self, genotype: Genotype) -> bool:
        return self.constraints.admits(genotype, self.skeleton, self.latency)
