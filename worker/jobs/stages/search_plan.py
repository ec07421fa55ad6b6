"""The search of a task: random search for a baseline, the requested strategy for a target."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ldnas.data.search_split import is_enough
from ldnas.digests import json_digest
from ldnas.search.base import SearchProblem, Strategy
from ldnas.search.random import RandomSearch, RandomSearchConfig
from ldnas.search.repeated_splits import OverSplits, OverSplitsConfig
from ldnas.search.strategies import build_strategy
from ldnas.seeding import derive_seed
from ldnas.space.constraints import UNLIMITED, Constraints
from ldnas.space.latency_table import LatencyTable
from ldnas.space.skeleton import Skeleton, default_skeleton
from ldnas.space.space import FULL_SPACE, SearchSpace
from ldnas.training.micro_batches import Compute
from worker.jobs.stages.resolve import ResolvedTask
from worker.specification import DEFAULT_ITERATIONS, BudgetRequest, RecommendationRequest

BASELINE_SEARCH = RandomSearchConfig()
TARGET_PATIENCE = 3
PATIENCE = {"fuse": TARGET_PATIENCE, "random": 10, "evolution": 10}
"""Iterations without a new incumbent that end a search, by strategy; the others end by their own schedule."""

BATCH_SIZE = 64
SMALLEST_BATCH = 8
STEPS_OF_AN_EPOCH = 10
"""Few images use smaller batches: FUSE was measured with ten steps per pass over the images."""


@dataclass(frozen=True)
class SearchPlan:
    """One search: its strategy and settings, its space, its limits and its seed.

    Attributes:
        origin: the strategy's name.
        iterations: of the strategy at most; None if only the time ends it.
        patience: iterations without a new incumbent that end it; None if only its other limits do.
        budget_seconds: of the whole job, as requested.
        seconds: the part of them that the search gets.
        comparison: how the winners of several splits are compared, if the task's own validation images are too
            few to choose by; None with one split, the task's own.
    """

    strategy: Strategy
    origin: str
    space: SearchSpace
    skeleton: Skeleton
    seed: int
    iterations: int | None = None
    patience: int | None = None
    budget_seconds: float | None = None
    seconds: float | None = None
    constraints: Constraints = UNLIMITED
    latency: LatencyTable | None = None
    comparison: OverSplitsConfig | None = None

    @property
    def settings(self) -> Mapping[str, Any]:
        """All settings of the strategy."""
        return self.strategy.settings(self.patience)

    @property
    def splits(self) -> int:
        """The number of splits into training and validation images that the search uses."""
        return self.comparison.repetitions if self.comparison is not None else 1

    def searcher(self) -> Strategy:
        """The strategy, over several splits where the plan has them."""
        return self.strategy if self.comparison is None else OverSplits(self.strategy, self.comparison)

    def key(self, task: ResolvedTask) -> str:
        """The content key: equal keys give equal outcomes on one kind of machine, unless a budget is in seconds."""
        # Absent if there is none, so that searches without it have the same keys as before the setting existed.
        comparison = {"over_splits": asdict(self.comparison)} if self.comparison is not None else {}
        return json_digest(
            {
                **comparison,
                "what": "search",
                "strategy": self.origin,
                "settings": dict(self.settings),
                "primitives": list(self.space.primitives),
                "skeleton": self.skeleton.to_json(),
                "constraints": asdict(self.constraints),
                "latency": self.latency.to_json() if self.latency is not None else None,
                "iterations": self.iterations,
                "budget_seconds": self.budget_seconds,
                "seed": self.seed,
                "data": task.search_data_key,
            }
        )

    def problem(self, task: ResolvedTask, compute: Compute) -> SearchProblem:
        """The space, and the images on the device that computes.

        Raises:
            ImpossibleConstraintError: no cell of the space satisfies the constraints.
        """
        return SearchProblem(
            train=task.full.train.to(compute.device),
            validation=task.full.validation.to(compute.device),
            space=self.space,
            skeleton=self.skeleton,
            constraints=self.constraints,
            latency=self.latency,
            compute=compute,
        )


def baseline_search(task: ResolvedTask) -> SearchPlan:
    """Random search with early stopping over the full space: how a baseline gets its genotypes."""
    return SearchPlan(
        RandomSearch(BASELINE_SEARCH),
        "random",
        FULL_SPACE,
        default_skeleton(task.image_size, task.classes),
        derive_seed(task.seed, "search", task.search_data_key),
        iterations=1,
        patience=PATIENCE["random"],
    )


def target_search(
    task: ResolvedTask,
    space: SearchSpace,
    skeleton: Skeleton,
    request: RecommendationRequest,
    latency: LatencyTable | None = None,
) -> SearchPlan:
    """The search that a recommendation's request names: its strategy, settings, budget and constraints.

    Over several splits where the task's validation images are too few (`is_enough`), compared under the objective.
    """
    budget = request.budget or BudgetRequest(iterations=DEFAULT_ITERATIONS)
    strategy = _target_strategy(request, images=len(task.full.train))
    enough = is_enough(task.full.validation)
    return SearchPlan(
        strategy,
        request.strategy,
        space,
        skeleton,
        derive_seed(task.seed, "search", task.search_data_key),
        iterations=budget.iterations,
        patience=PATIENCE.get(request.strategy),
        budget_seconds=budget.seconds,
        constraints=request.limits,
        latency=latency,
        comparison=None if enough else OverSplitsConfig(objective=request.objective),
    )


def warning_of(plan: SearchPlan, expected: float) -> str | None:
    """A warning about a search with so few iterations that it ends before the strategy begins to choose; else None."""
    warm_up = plan.strategy.warm_up
    if not warm_up or math.ceil(expected / plan.splits) > warm_up:
        return None
    splits = f" on each of {plan.splits} splits" if plan.splits > 1 else ""
    return (
        f"{plan.origin} trains weights alone in its first {warm_up} iterations{splits} and chooses nothing: after "
        f"{expected:.0f} in all the cell is one drawn at random; more than {warm_up * plan.splits} are needed"
    )


def _target_strategy(request: RecommendationRequest, *, images: int) -> Strategy:
    batch_size = min(BATCH_SIZE, max(SMALLEST_BATCH, images // STEPS_OF_AN_EPOCH))
    wanted = request.search
    return build_strategy(request.strategy, candidates=wanted.candidates, rounds=wanted.rounds, batch_size=batch_size)
