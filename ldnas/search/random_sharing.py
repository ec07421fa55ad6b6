"""Random search with weight sharing: Li & Talwalkar, Random Search and Reproducibility for NAS, arXiv:1902.07638.

Section 3.2: every batch trains a cell drawn uniformly; then random cells are scored by the shared weights and the best
is taken. The paper scores once, at the end; this one after every iteration, so that it can end at any time.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ldnas.search.base import SearchProblem
from ldnas.search.weight_sharing import Learner, SharedWeights, SharedWeightsConfig, SharingSearch
from ldnas.seeding import derive_seed
from ldnas.space.genotype import Genotype


@dataclass(frozen=True)
class RandomSharingConfig(SharedWeightsConfig):
    """Settings of random search with weight sharing.

    Attributes:
        candidates: cells scored after every iteration, the incumbent among them.

    Raises:
        InvalidSearchError: a setting is not positive.
    """

    candidates: int = 16


@dataclass(frozen=True)
class RandomSharing(SharingSearch):
    """The strategy: train random paths, score random cells.

    The incumbent is scored again in every iteration, together with new draws; the best of all is the next incumbent.
    """

    name: ClassVar[str] = "random_sharing"
    config: RandomSharingConfig = RandomSharingConfig()

    def new_learner(self, problem: SearchProblem, *, seed: int) -> Learner:
        return _RandomLearner(problem, self.config, seed=seed)


class _RandomLearner:
    """Learns nothing but the shared weights."""

    edge_weights: tuple[tuple[float, ...], ...] = ()

    def __init__(self, problem: SearchProblem, config: RandomSharingConfig, *, seed: int) -> None:
        self.shared = SharedWeights(problem, config, seed=seed)
        self._cells = problem.cells
        self._count = config.candidates
        self._seed = seed

    def learn(self, iteration: int) -> None:
        rng = random.Random(derive_seed(self._seed, "iteration", iteration, "paths"))
        for inputs, labels in self.shared.training_batches(iteration):
            self.shared.step(inputs, labels, self._cells.sample(rng))

    def candidates(self, iteration: int, incumbent: Genotype | None) -> tuple[Genotype, ...]:
        # The incumbent comes first: among equal scores it stays.
        kept = () if incumbent is None else (incumbent,)
        rng = random.Random(derive_seed(self._seed, "iteration", iteration, "candidates"))
        return (*kept, *self._cells.sample_distinct(rng, max(1, self._count - len(kept)), exclude=kept))

    def tensors(self) -> dict[str, Tensor]:
        return self.shared.tensors()

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        self.shared.load(tensors)
