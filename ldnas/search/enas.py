"""ENAS: Pham, Guan, Zoph, Le, Dean, Efficient Neural Architecture Search via Parameter Sharing, arXiv:1802.03268.

Section 2.2: in turns, cells drawn from an LSTM controller train the shared weights on training images, one cell per
batch, and REINFORCE teaches the controller with the drawn cells' accuracy on validation images as the reward. Section
2.3: at the end cells are drawn from the controller and the best by the shared weights is taken.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ldnas.errors import InvalidSearchError
from ldnas.search.base import SearchProblem
from ldnas.search.paths import PathMask, build_controller
from ldnas.search.tensors import load_optimizer_tensors, optimizer_tensors
from ldnas.search.weight_sharing import Learner, SharedWeights, SharedWeightsConfig, SharingSearch
from ldnas.seeding import derive_seed
from ldnas.space.feasible_cells import FeasibleCells
from ldnas.space.genotype import Genotype


@dataclass(frozen=True)
class EnasConfig(SharedWeightsConfig):
    """Settings of ENAS.

    Attributes:
        candidates: cells scored after every iteration, the incumbent among them.
        controller_steps: steps of the controller per iteration.
        policy_samples: M, cells drawn for one step, all rewarded on one batch of validation images.
        controller_learning_rate: of Adam on the controller, as in the authors' program for cells. A faster one becomes
            confident before the shared weights have learned anything.
        entropy_weight: the reward for one nat of a drawn cell's entropy, a fraction of images.
        baseline_decay: of the moving average of the rewards, per step, in [0, 1).

    Raises:
        InvalidSearchError: a setting is out of its range.
    """

    candidates: int = 10
    controller_steps: int = 10
    policy_samples: int = 8
    controller_learning_rate: float = 3.5e-3
    entropy_weight: float = 1e-4
    baseline_decay: float = 0.9

    may_be_zero: ClassVar[tuple[str, ...]] = ("entropy_weight", "baseline_decay")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.baseline_decay >= 1:
            raise InvalidSearchError(
                f"baseline_decay is less than 1, not {self.baseline_decay}", field="search.baseline_decay"
            )


@dataclass(frozen=True)
class Enas(SharingSearch):
    """The strategy: shared weights and controller in turns.

    The incumbent is scored again in every iteration, together with cells drawn from the controller; the best of all is
    the next incumbent.
    """

    name: ClassVar[str] = "enas"
    config: EnasConfig = EnasConfig()

    def new_learner(self, problem: SearchProblem, *, seed: int) -> Learner:
        return _EnasLearner(problem, self.config, seed=seed)


class Policy:
    """The controller with its optimizer and its baseline.

    Args:
        cells: the cells to draw from; constraints mask the draw, see `Controller.sample`.
        seed: of its first weights.
    """

    def __init__(self, cells: FeasibleCells, config: EnasConfig, *, seed: int) -> None:
        self._primitives = cells.primitives
        self._mask = None if cells.constraints.unlimited else PathMask(cells)
        self._config = config
        self.controller = build_controller(len(cells.primitives), seed=seed)
        self._optimizer = torch.optim.Adam(self.controller.parameters(), lr=config.controller_learning_rate)
        self._baseline = torch.tensor(float("nan"), dtype=torch.float64)  # none before the first reward

    @torch.no_grad()
    def draw(self, count: int, generator: torch.Generator) -> tuple[Genotype, ...]:
        """`count` cells drawn independently, so that some may be equal."""
        return self._genotypes(self.controller.sample(count, generator, self._mask).paths)

    def step(self, reward_of: Callable[[Genotype], float], generator: torch.Generator) -> None:
        """One step of REINFORCE (Williams 1992): ∇_θ of the mean over M drawn cells m of log π(m; θ) · (R_m − b).

        R_m is the reward of m plus the weighted entropy of its draw, b the moving average of R, which begins at the
        first step's mean. The step adds the gradient of the weighted entropy itself, which the authors' program leaves
        out: without it the bonus has hardly any effect, since an edge's entropy does not depend on the primitive drawn
        there.
        """
        sampled = self.controller.sample(self._config.policy_samples, generator, self._mask)
        genotypes = self._genotypes(sampled.paths)
        known = {genotype: reward_of(genotype) for genotype in dict.fromkeys(genotypes)}
        rewards = torch.tensor([known[genotype] for genotype in genotypes], dtype=torch.float64)
        rewards = rewards + self._config.entropy_weight * sampled.entropies.detach()
        mean = rewards.mean()
        decay = self._config.baseline_decay
        self._baseline = mean if self._baseline.isnan() else decay * self._baseline + (1 - decay) * mean
        advantages = (rewards - self._baseline).float()
        self._optimizer.zero_grad(set_to_none=True)
        bonus = self._config.entropy_weight * sampled.entropies.mean()
        (-(advantages * sampled.log_probabilities).mean() - bonus).backward()
        self._optimizer.step()

    def tensors(self) -> dict[str, Tensor]:
        """Everything that the steps change, as the state to resume from."""
        weights = {f"controller.{name}": tensor for name, tensor in self.controller.state_dict().items()}
        return {"baseline": self._baseline, **weights, **optimizer_tensors(self._optimizer, "controller_adam")}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Resume from the state that `tensors` returned."""
        self._baseline = tensors["baseline"]
        self.controller.load_state_dict({name: tensors[f"controller.{name}"] for name in self.controller.state_dict()})
        load_optimizer_tensors(self._optimizer, "controller_adam", tensors)

    def _genotypes(self, paths: Tensor) -> tuple[Genotype, ...]:
        return tuple(Genotype(tuple(self._primitives[index] for index in path)) for path in paths.tolist())


class _EnasLearner:
    """Shared weights and the policy that draws from them."""

    edge_weights: tuple[tuple[float, ...], ...] = ()

    def __init__(self, problem: SearchProblem, config: EnasConfig, *, seed: int) -> None:
        self.shared = SharedWeights(problem, config, seed=seed)
        self._policy = Policy(problem.cells, config, seed=derive_seed(seed, "controller"))
        self._config = config
        self._seed = seed

    def learn(self, iteration: int) -> None:
        paths = self._generator(iteration, "paths")
        for inputs, labels in self.shared.training_batches(iteration):
            self.shared.step(inputs, labels, self._policy.draw(1, paths)[0])
        draws = self._generator(iteration, "controller")
        batches = self.shared.validation_batches(iteration)
        for _ in range(self._config.controller_steps):
            inputs, labels = next(batches)
            self._policy.step(lambda genotype: self.shared.accuracy(genotype, inputs, labels), draws)  # noqa: B023

    def candidates(self, iteration: int, incumbent: Genotype | None) -> tuple[Genotype, ...]:
        # The incumbent comes first: among equal scores it stays. A confident controller draws few different cells.
        kept = () if incumbent is None else (incumbent,)
        drawn = self._policy.draw(max(1, self._config.candidates - len(kept)), self._generator(iteration, "candidates"))
        return tuple(dict.fromkeys((*kept, *drawn)))

    def tensors(self) -> dict[str, Tensor]:
        return {**self._policy.tensors(), **self.shared.tensors()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        self._policy.load(tensors)
        self.shared.load(tensors)

    def _generator(self, iteration: int, act: str) -> torch.Generator:
        return torch.Generator().manual_seed(derive_seed(self._seed, "iteration", iteration, act))
