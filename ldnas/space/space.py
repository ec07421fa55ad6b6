"""The search space: all cells whose edges use a given set of primitives. Needs no torch."""

import itertools
import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

from ldnas.errors import InvalidGenotypeError, InvalidSearchError
from ldnas.space.genotype import EDGES, PRIMITIVES, Genotype

# Up to this size the space is listed; rejection sampling is used only above it.
LISTED_SIZE = 4096


@dataclass(frozen=True)
class SearchSpace:
    """All cells whose edges use only `primitives`, kept in the order of `PRIMITIVES`, each once.

    Raises:
        InvalidSearchError: no primitive, or one that is unknown.
    """

    primitives: tuple[str, ...]

    def __post_init__(self) -> None:
        unknown = sorted(set(self.primitives) - set(PRIMITIVES))
        if unknown or not self.primitives:
            raise InvalidSearchError(
                f"a search space needs at least one primitive of {', '.join(PRIMITIVES)}; unknown: {unknown}",
                field="search_space.primitives",
            )
        ordered = tuple(primitive for primitive in PRIMITIVES if primitive in self.primitives)
        object.__setattr__(self, "primitives", ordered)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The space written by `to_json`."""
        return cls(tuple(value["primitives"]))

    def to_json(self) -> dict[str, Any]:
        """The primitives, the number of cells and their share of the full space."""
        return {
            "primitives": list(self.primitives),
            "size": self.size,
            "fraction_of_full": self.fraction_of_full,
        }

    @property
    def size(self) -> int:
        """The number of cells: primitives ** edges."""
        return int(len(self.primitives) ** len(EDGES))

    @property
    def fraction_of_full(self) -> float:
        """|S_b| over the full space, in (0, 1]."""
        return self.size / float(len(PRIMITIVES) ** len(EDGES))

    def contains(self, genotype: Genotype) -> bool:
        """Whether every edge of the cell uses a primitive of this space."""
        return set(genotype.primitives) <= set(self.primitives)

    def require(self, genotype: Genotype, *, field: str = "genotype") -> None:
        """Refuse a genotype that lies outside.

        Raises:
            InvalidGenotypeError: an edge uses a primitive that this space lacks; names the edge.
        """
        for index, primitive in enumerate(genotype.primitives):
            if primitive not in self.primitives:
                raise InvalidGenotypeError(
                    f"edge {EDGES[index]} uses {primitive}, outside the search space of {', '.join(self.primitives)}",
                    field=f"{field}.edges[{index}]",
                )

    def __iter__(self) -> Iterator[Genotype]:
        """Every cell of the space, in the order of the primitives."""
        return (Genotype(primitives) for primitives in itertools.product(self.primitives, repeat=len(EDGES)))

    def sample(self, rng: random.Random) -> Genotype:
        """One cell, every edge drawn uniformly and on its own."""
        return Genotype(tuple(rng.choice(self.primitives) for _ in EDGES))

    def sample_distinct(
        self, rng: random.Random, count: int, *, exclude: Collection[Genotype] = frozenset()
    ) -> tuple[Genotype, ...]:
        """`count` different cells, none of them in `exclude`, uniformly; fewer where the space has no more."""
        excluded = {genotype for genotype in exclude if self.contains(genotype)}
        left = self.size - len(excluded)
        # Rejection sampling is fast only while most drawn cells are new.
        if self.size <= LISTED_SIZE or left < self.size // 2 + count:
            remaining = [genotype for genotype in self if genotype not in excluded]
            return tuple(rng.sample(remaining, min(count, len(remaining))))
        drawn: dict[Genotype, None] = {}
        while len(drawn) < count:
            genotype = self.sample(rng)
            if genotype not in excluded:
                drawn[genotype] = None
        return tuple(drawn)


FULL_SPACE = SearchSpace(PRIMITIVES)

PAPER_SPACE = SearchSpace(("identity", "sep_conv_3x3", "conv_7x1_1x7", "max_pool_3x3"))
"""The space of the paper's experiments: 4,096 cells."""


def space_of(genotypes: Sequence[Genotype]) -> SearchSpace:
    """`S_b`: the cells whose edges use only the primitives found in b's best genotypes.

    Raises:
        InvalidSearchError: no genotype was given.
    """
    return SearchSpace(tuple({primitive: None for genotype in genotypes for primitive in genotype.primitives}))
