"""PC-DARTS: Partial Channel Connections for Memory-Efficient Architecture Search, Xu et al., arXiv:1907.05737.

DARTS of first order in which only 1/K of an edge's channels pass through its operations (section 3.2, Eq. 2), so that
larger batches fit and α does not run towards operations without weights; α does not change in the first iterations.

The paper's edge normalisation (section 3.3, Eq. 3), a softmax over the edges that enter a node, is left out: there it
stabilises the choice of the two edges that a node keeps. Our cell keeps all of them and adds them up without weights,
so such a weight would choose nothing (an edge's argmax over primitives is the same with and without it) and would train
the supernet on sums that the found network does not have.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from ldnas.search.base import SearchProblem
from ldnas.search.darts import DartsLearner
from ldnas.search.weight_sharing import Learner, SharedWeightsConfig, SharingSearch


@dataclass(frozen=True)
class PcDartsConfig(SharedWeightsConfig):
    """Settings of PC-DARTS.

    Attributes:
        partial: K, one in so many channels passes through the operations; 4 as in the paper.
        warm_up: iterations at the start that train only the weights; the paper's 15 of 50, of our 30.
        alpha_learning_rate: of Adam on α, as in `DartsConfig`.

    Raises:
        InvalidSearchError: a setting is not positive (`warm_up` may be 0).
    """

    partial: int = 4
    warm_up: int = 9
    alpha_learning_rate: float = 2e-2

    may_be_zero: ClassVar[tuple[str, ...]] = ("warm_up",)


@dataclass(frozen=True)
class PcDarts(SharingSearch):
    """The strategy: as `Darts`, with scores over the supernet's partial channels."""

    name: ClassVar[str] = "pc_darts"
    config: PcDartsConfig = PcDartsConfig()

    @property
    def warm_up(self) -> int:
        return self.config.warm_up

    def steady(self) -> Self:
        return replace(self, config=replace(self.config, warm_up=0))

    def new_learner(self, problem: SearchProblem, *, seed: int) -> Learner:
        config = self.config
        return DartsLearner(
            problem,
            config,
            alpha_learning_rate=config.alpha_learning_rate,
            partial=config.partial,
            warm_up=config.warm_up,
            seed=seed,
        )
