"""search: the genotypes of a task, by random search for a baseline and by the requested strategy for a target."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ldnas.data.search_split import is_enough
from ldnas.digests import json_digest
from ldnas.search.base import SearchBudget, SearchEvent, SearchProblem, SearchRun, Strategy
from ldnas.search.random import RandomSearch, RandomSearchConfig
from ldnas.search.repeated_splits import OverSplits, OverSplitsConfig
from ldnas.search.strategies import build_strategy
from ldnas.seeding import derive_seed
from ldnas.space.constraints import UNLIMITED, Constraints
from ldnas.space.genotype import Genotype
from ldnas.space.latency_table import LatencyTable
from ldnas.space.skeleton import Skeleton, default_skeleton
from ldnas.space.space import FULL_SPACE, SearchSpace
from ldnas.training.micro_batches import Compute
from worker.jobs.checkpoints import json_from_bytes, json_to_bytes
from worker.jobs.context import JobContext
from worker.jobs.stages.resolve import ResolvedTask
from worker.registry import GenotypeRow
from worker.specification import BudgetRequest, RecommendationRequest, SearchRequest

BASELINE_SEARCH = RandomSearchConfig()
TARGET_PATIENCE = 3
PATIENCE = {"fuse": TARGET_PATIENCE, "random": 10, "evolution": 10}
"""Iterations without a new incumbent that end a search, by strategy; the others end by their own schedule."""
DEFAULT_ITERATIONS = 12

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

    def problem(self, context: JobContext, task: ResolvedTask) -> SearchProblem:
        """The space, and the images on the device that computes.

        Raises:
            ImpossibleConstraintError: no cell of the space satisfies the constraints.
        """
        return SearchProblem(
            train=task.full.train.to(context.device),
            validation=task.full.validation.to(context.device),
            space=self.space,
            skeleton=self.skeleton,
            constraints=self.constraints,
            latency=self.latency,
            compute=Compute(context.device, context.micro_batches),
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
    strategy = _target_strategy(request.search, images=len(task.full.train))
    enough = is_enough(task.full.validation)
    return SearchPlan(
        strategy,
        request.search.strategy,
        space,
        skeleton,
        derive_seed(task.seed, "search", task.search_data_key),
        iterations=budget.iterations,
        patience=PATIENCE.get(request.search.strategy),
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


def _target_strategy(wanted: SearchRequest, *, images: int) -> Strategy:
    batch_size = min(BATCH_SIZE, max(SMALLEST_BATCH, images // STEPS_OF_AN_EPOCH))
    return build_strategy(wanted.strategy, candidates=wanted.candidates, rounds=wanted.rounds, batch_size=batch_size)


def search_once(
    context: JobContext, task: ResolvedTask, plan: SearchPlan, *, timed: bool = False
) -> Sequence[GenotypeRow]:
    """The genotypes of `plan`, the chosen one first: already stored, or searched now and stored.

    All sampled genotypes are stored with their scores and linked to the task. `timed`: a stored search is repeated
    anyway, because the caller needs its seconds.
    """
    rows = _search(context, task, plan, plan.key(task)) if timed else scored_genotypes(context, task, plan)
    with context.unit_of_work() as registry:
        registry.task_results.link_genotypes(task.id, [row.id for row in rows])
        registry.leases.add_event(context.job_id, context.attempt, "genotype", {"genotype": rows[0].genotype})
    return rows


def scored_genotypes(context: JobContext, task: ResolvedTask, plan: SearchPlan) -> Sequence[GenotypeRow]:
    """The same without a link to the task, so that later searches are not affected."""
    key = plan.key(task)
    with context.unit_of_work() as registry:
        rows = registry.results.use_search(key)
    return rows or _search(context, task, plan, key)


def _search(context: JobContext, task: ResolvedTask, plan: SearchPlan, key: str) -> Sequence[GenotypeRow]:
    begun = context.checkpoints.load(key)
    started = time.monotonic()
    run = SearchRun(
        plan.problem(context, task),
        SearchBudget(plan.iterations, plan.seconds, plan.patience),
        plan.seed,
        on_event=lambda event: _report(context, plan, event, time.monotonic() - started),
        state=json_from_bytes(begun) if begun is not None else None,
        on_state=lambda state: context.checkpoints.save(key, json_to_bytes(state)),
    )
    outcome = plan.searcher().search(run)
    plan.space.require(outcome.best)
    best_first = sorted(outcome.scored, key=lambda score: score.genotype != outcome.best)
    rows = [{"digest": score.genotype.digest, **score.to_json()} for score in best_first]
    with context.unit_of_work() as registry:
        return registry.results.keep_search(key, plan.origin, rows)


def _report(context: JobContext, plan: SearchPlan, event: SearchEvent, seconds: float) -> None:
    data = event.to_json()
    context.event(data.pop("kind"), data)
    message = f"search iteration {event.iteration + 1}"
    if plan.iterations is not None:
        done = (event.iteration + (1 if event.kind == "iteration" else 0)) / plan.iterations
        context.progress(done, f"{message} of at most {plan.iterations}")
    elif plan.seconds is not None:
        context.progress(min(1.0, seconds / plan.seconds), f"{message}, {seconds:.0f} of {plan.seconds:.0f} s")


def genotype_of(row: GenotypeRow) -> Genotype:
    """The genotype in a row."""
    return Genotype.from_json(row.genotype)
