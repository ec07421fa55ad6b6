"""Chooses the cells of a race: by the pooled scores of the known tasks, or drawn from a space."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from ldnas.memory.closeness import Closeness, closeness_weights, judge_closeness
from ldnas.memory.pooled import PooledScores, pool
from ldnas.memory.proposals import propose
from ldnas.memory.scores import CellScore
from ldnas.memory.starter import read_starter
from ldnas.recipe import measured_recipes
from ldnas.seeding import derive_seed
from ldnas.space.complexity import multiply_adds
from ldnas.space.feasible_cells import FeasibleCells
from ldnas.space.fitting import narrower_skeletons
from ldnas.space.genotype import Genotype
from ldnas.space.space import FULL_SPACE, SearchSpace
from worker.jobs.context import JobContext
from worker.jobs.memo import Codec
from worker.jobs.stages.answer import Answer, Part
from worker.jobs.stages.distance import recipe_of_job
from worker.jobs.stages.known_scores import known_scores
from worker.jobs.stages.resolve import ResolvedTask
from worker.jobs.stages.space import FoundSpace, eligible_tasks


@dataclass(frozen=True)
class RaceCells:
    """The cells of a race, the most promising one first, and the memory that they were chosen by, None if drawn."""

    cells: tuple[Genotype, ...]
    memory: Mapping[str, Any] | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The cells written by `to_json`."""
        return cls(tuple(map(Genotype.from_json, value["cells"])), value["memory"])

    def to_json(self) -> dict[str, Any]:
        """The cells as a JSON value."""
        return {"cells": [cell.to_json() for cell in self.cells], "memory": self.memory}


RACE_CELLS = Codec(RaceCells.to_json, RaceCells.from_json)


def choose_cells(
    context: JobContext, task: ResolvedTask, answer: Answer, found: FoundSpace, seed: int
) -> tuple[Genotype, ...]:
    """The cells of a race, the same ones in every attempt: `search.k` of them, from `search.space`."""
    return answer.once("race.cells", lambda: _choose(context, task, answer, found, seed), RACE_CELLS, _part).cells


def _choose(context: JobContext, task: ResolvedTask, answer: Answer, found: FoundSpace, seed: int) -> RaceCells:
    search = answer.request.search
    count = search.k or 1
    # The narrowest skeleton: wider ones are for the race to choose.
    narrowest = narrower_skeletons(task.image_size, task.classes)[-1]
    feasible = FeasibleCells(FULL_SPACE, narrowest, answer.request.limits)
    if answer.request.space != "known":
        return RaceCells(_drawn(feasible, found.space, count, seed))
    pooled, memory = pool_known(context, task, answer.request.measure)
    cells = propose(pooled, count, seed, feasible.contains, lambda cell: multiply_adds(cell, narrowest))
    return RaceCells(cells or _drawn(feasible, FULL_SPACE, 1, seed), memory)


def pool_known(context: JobContext, task: ResolvedTask, measure: str) -> tuple[PooledScores, dict[str, Any]]:
    """The pooled scores of the baselines that take part and of the starter memory, and the `memory` of the answer."""
    scores, starter = known_scores(context, eligible_tasks(context)), read_starter().scores
    closeness, weights = _closeness(context, task, scores, measure)
    pooled = pool((*scores, *starter), weights if closeness.helps and weights else None)
    memory = {
        "tasks": pooled.tasks,
        "cells": len(pooled.effects),
        "starter": bool(starter),
        "closeness": closeness.sentence,
    }
    return pooled, memory


def _drawn(feasible: FeasibleCells, space: SearchSpace, count: int, seed: int) -> tuple[Genotype, ...]:
    """`count` cells of the space within the limits, drawn at random; fewer where it has no more."""
    own = FeasibleCells(space, feasible.skeleton, feasible.constraints)
    return own.sample_distinct(random.Random(derive_seed(seed, "cell")), count)


def _closeness(
    context: JobContext, task: ResolvedTask, scores: Sequence[CellScore], measure: str
) -> tuple[Closeness, dict[str, float]]:
    """Whether closeness counts, judged on the known tasks, and the weights of these for the target."""
    known = {score.task for score in scores}
    recipes = {
        recipe.digest for recipe in (*measured_recipes(task.architecture), recipe_of_job(context, task.architecture))
    }
    with context.reading() as registry:
        entries = registry.results.matrix_among(measure, sorted(recipes), [*known, task.id])
    distances: dict[str, dict[str, float]] = {}
    for entry in entries:
        if entry.source_task_id in known and entry.source_task_id != entry.target_task_id:
            distances.setdefault(entry.target_task_id, {})[entry.source_task_id] = entry.mean
    weights = {target: closeness_weights(own) for target, own in distances.items()}
    own = weights.pop(task.id, {})
    return judge_closeness(scores, weights), own


def _part(chosen: RaceCells) -> Part:
    return Part({"search": {"memory": chosen.memory}})
