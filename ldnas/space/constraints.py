"""Limits on a network's size and work, and what a space can offer under them. Knows no torch.

All six edges of a cell see the same channels and sides, so a network's count is a constant plus one term per edge
that depends on the edge's primitive alone. The least of a count is therefore that of a cell with one primitive on
all edges.
"""

from dataclasses import dataclass

from ldnas.errors import ImpossibleConstraintError, InvalidSearchError
from ldnas.space.complexity import multiply_adds, parameters
from ldnas.space.genotype import EDGES, Genotype
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
    """What a network may have at most; None sets no limit.

    Attributes:
        max_parameters: trainable parameters.
        max_macs: multiply-adds for one image.

    Raises:
        InvalidSearchError: a limit is not a positive whole number.
    """

    max_parameters: int | None = None
    max_macs: int | None = None

    def __post_init__(self) -> None:
        for name, limit in vars(self).items():
            # `True` is an `int` that equals 1, and no limit.
            if limit is not None and (type(limit) is not int or limit < 1):
                raise InvalidSearchError(
                    f"{name} is a whole number of at least 1, not {limit!r}", field=f"constraints.{name}"
                )

    def admits(self, genotype: Genotype, skeleton: Skeleton) -> bool:
        """Whether the network of this cell keeps every limit."""
        return (self.max_parameters is None or parameters(genotype, skeleton) <= self.max_parameters) and (
            self.max_macs is None or multiply_adds(genotype, skeleton) <= self.max_macs
        )

    def require_possible(self, space: SearchSpace, skeleton: Skeleton) -> None:
        """Refuse limits that no cell of the space keeps.

        Raises:
            ImpossibleConstraintError: names the limit at fault and the least value that some cell keeps.
        """
        least = nearest_possible(space, skeleton)
        limits = {"max_parameters": least.parameters, "max_macs": least.macs}
        for name, nearest in limits.items():
            limit = getattr(self, name)
            if limit is not None and limit < nearest:
                raise ImpossibleConstraintError(
                    f"no cell of the search space keeps {name} of {limit}; the nearest possible value is {nearest}",
                    field=f"constraints.{name}",
                    nearest_possible=nearest,
                )


def nearest_possible(space: SearchSpace, skeleton: Skeleton) -> Complexity:
    """The fewest parameters and the fewest multiply-adds of any cell of the space.

    Where every stage has two channels or more, one cell has both, so that limits which can be kept one by one can
    be kept together: with C channels an edge has 0 weights (identity, pools), C² + 9C (3×3), C² + 25C (5×5) or
    14C² (7×1, 1×7), an order that is the same at every C >= 2 and for both counts.
    """
    uniform = [Genotype((primitive,) * len(EDGES)) for primitive in space.primitives]
    return Complexity(
        parameters=min(parameters(genotype, skeleton) for genotype in uniform),
        macs=min(multiply_adds(genotype, skeleton) for genotype in uniform),
    )
