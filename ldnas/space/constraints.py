"""Limits on a network's size, work and latency, and the cells of a space that satisfy them. Needs no torch.

All six edges of a cell see the same channels and sides, so a network's count is a constant plus one term per edge
that depends on the edge's primitive alone. The least of a count is therefore that of a cell with one primitive on
all edges.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ldnas.errors import ImpossibleConstraintError, InvalidSearchError
from ldnas.space.complexity import multiply_adds, parameters
from ldnas.space.genotype import EDGES, Genotype
from ldnas.space.latency_table import LatencyTable
from ldnas.space.skeleton import Skeleton
from ldnas.space.space import SearchSpace


@dataclass(frozen=True)
class Complexity:
    """Counts of a network.

    Attributes:
        parameters: trainable parameters, see `ldnas.space.complexity.parameters`.
        macs: multiply-adds for one image, see `ldnas.space.complexity.multiply_adds`.
    """

    parameters: int
    macs: int


@dataclass(frozen=True)
class Constraints:
    """Upper limits on a network; None sets no limit.

    Attributes:
        max_parameters: trainable parameters.
        max_macs: multiply-adds for one image.
        max_latency_ms: milliseconds for one image, as a `LatencyTable` predicts them.

    Raises:
        InvalidSearchError: a count is not a positive whole number, or the latency not a positive finite one.
    """

    max_parameters: int | None = None
    max_macs: int | None = None
    max_latency_ms: float | None = None

    def __post_init__(self) -> None:
        for name in ("max_parameters", "max_macs"):
            limit = getattr(self, name)
            # `True` is an `int` that equals 1, but not a limit.
            if limit is not None and (type(limit) is not int or limit < 1):
                raise InvalidSearchError(
                    f"{name} is a whole number of at least 1, not {limit!r}", field=f"constraints.{name}"
                )
        limit = self.max_latency_ms
        if limit is not None and (type(limit) not in (int, float) or not 0 < limit < math.inf):
            raise InvalidSearchError(
                f"max_latency_ms is a number of milliseconds above 0, not {limit!r}",
                field="constraints.max_latency_ms",
            )

    def given(self) -> dict[str, float]:
        """The limits that are set, by name."""
        return {name: limit for name, limit in vars(self).items() if limit is not None}

    @property
    def unlimited(self) -> bool:
        """Whether no limit is set."""
        return self == UNLIMITED

    def admits(self, genotype: Genotype, skeleton: Skeleton, latency: LatencyTable | None = None) -> bool:
        """Whether the network of this cell satisfies every limit; without a table, the limit on latency is ignored."""
        return all(value(genotype) <= limit for _, limit, value in self._limits(skeleton, latency))

    def require_possible(self, space: SearchSpace, skeleton: Skeleton, latency: LatencyTable | None = None) -> None:
        """Refuse limits that no cell of the space satisfies, alone or together; without a table, latency is ignored.

        Raises:
            ImpossibleConstraintError: names the limit at fault and its least value among the cells that satisfy the
                limits before it (parameters, multiply-adds, latency).
        """
        # A count does not depend on the order of the edges.
        remaining = [Genotype(cell) for cell in itertools.combinations_with_replacement(space.primitives, len(EDGES))]
        for name, limit, value in self._limits(skeleton, latency):
            values = [value(genotype) for genotype in remaining]
            remaining = [genotype for genotype, own in zip(remaining, values, strict=True) if own <= limit]
            if not remaining:
                least = min(values)
                nearest = least if isinstance(least, int) else math.ceil(least * 1000) / 1000
                raise ImpossibleConstraintError(
                    f"no cell of the search space satisfies {name} of {limit}; the nearest possible value is {nearest}",
                    field=f"constraints.{name}",
                    nearest_possible=nearest,
                )

    def _limits(
        self, skeleton: Skeleton, latency: LatencyTable | None
    ) -> Iterator[tuple[str, float, Callable[[Genotype], float]]]:
        """Each limit that is set: its name, its value, and the function that computes a genotype's count."""
        if self.max_parameters is not None:
            yield "max_parameters", self.max_parameters, lambda genotype: parameters(genotype, skeleton)
        if self.max_macs is not None:
            yield "max_macs", self.max_macs, lambda genotype: multiply_adds(genotype, skeleton)
        if self.max_latency_ms is not None and latency is not None:
            yield "max_latency_ms", self.max_latency_ms, latency.predict_ms


UNLIMITED = Constraints()


def nearest_possible(space: SearchSpace, skeleton: Skeleton) -> Complexity:
    """The fewest parameters and the fewest multiply-adds of any cell of the space.

    Where every stage has two channels or more, one cell has both minima, so that limits which can be satisfied one by
    one can be satisfied together: with C channels an edge has 0 weights (identity, pools), C² + 9C (3×3), C² + 25C
    (5×5) or 14C² (7×1, 1×7), an order that is the same at every C >= 2 and for both counts.
    """
    uniform = [Genotype((primitive,) * len(EDGES)) for primitive in space.primitives]
    return Complexity(
        parameters=min(parameters(genotype, skeleton) for genotype in uniform),
        macs=min(multiply_adds(genotype, skeleton) for genotype in uniform),
    )
