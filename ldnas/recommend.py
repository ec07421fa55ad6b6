"""Algorithm 1 of LD-NAS between its long computations: from a ranking to the space that is searched.

Le, Soltani, Ravier, Tarokh, arXiv:2103.00241: the closest baseline's space is handed to FUSE. The text leaves open
several closest tasks and none at all: there the verdict decides, and without a close task the full space is searched.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ldnas.distance.ranking import Ranking
from ldnas.space.genotype import Genotype
from ldnas.space.space import FULL_SPACE, SearchSpace, space_of


@dataclass(frozen=True)
class ChosenSpace:
    """The space to search and the source tasks that it comes from (none: the full space)."""

    space: SearchSpace
    source_task_ids: tuple[str, ...]


def choose_space(ranking: Ranking, genotypes: Mapping[str, Sequence[Genotype]], *, k: int) -> ChosenSpace:
    """`S_b*`: the cells whose edges use only primitives found in the k best genotypes of the closest task.

    Of tied tasks, the primitives of all are taken together. `genotypes` gives each source's genotypes, best first.
    Where the verdict names no closest task, or the closest ones know no cell, it is the full space.

    Raises:
        KeyError: a closest task's genotypes are not given.
    """
    if not ranking.closest:
        return ChosenSpace(FULL_SPACE, ())
    best = [genotype for source in ranking.closest for genotype in genotypes[source][:k]]
    return ChosenSpace(space_of(best), ranking.closest) if best else ChosenSpace(FULL_SPACE, ())
