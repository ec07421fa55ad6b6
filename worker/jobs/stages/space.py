"""Algorithm 1 up to its search: distances from the baselines, the closest one, and its space."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from ldnas.errors import ImpossibleConstraintError
from ldnas.recommend import choose_space
from ldnas.space.constraints import Constraints
from ldnas.space.fitting import fitted_skeleton
from ldnas.space.genotype import EDGES
from ldnas.space.latency_table import LatencyTable
from ldnas.space.skeleton import Skeleton
from ldnas.space.space import FULL_SPACE, SearchSpace
from worker.jobs.context import JobContext
from worker.jobs.memo import Codec
from worker.jobs.stages.answer import Answer, Part
from worker.jobs.stages.baselines import ClosestTask, Contenders, find_baselines, restore_baselines
from worker.jobs.stages.column_document import column_document
from worker.jobs.stages.distance import Column, measure_column
from worker.jobs.stages.fit import FittedNetwork
from worker.jobs.stages.latency import LATENCY_LIMIT, LatencyLimit, latency_limit, latency_table
from worker.jobs.stages.provenance import provenance_document
from worker.jobs.stages.resolve import ResolvedTask
from worker.specification import RACE

DISTANCE_SHARE = 0.1
"""The share of a race's seconds that the distances may take: they choose where it begins, and training gains more."""


@dataclass(frozen=True)
class FoundSpace:
    """The space to search.

    Attributes:
        source_task_ids: the tasks that the space comes from; none for the full space.
        closest: the closest task, None where the verdict names none.
        refusal: why the full space replaces the closest task's, None if it does not.
    """

    space: SearchSpace
    source_task_ids: tuple[str, ...]
    closest: ClosestTask | None
    refusal: str | None = None

    @classmethod
    def full(cls, closest: ClosestTask | None, refusal: str) -> Self:
        """The full space, because the closest task's space has no cell that satisfies the constraints."""
        return cls(FULL_SPACE, (), closest, refusal)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The space written by `to_json`."""
        closest = value["closest"]
        return cls(
            space=SearchSpace(tuple(value["primitives"])),
            source_task_ids=tuple(value["source_task_ids"]),
            closest=None if closest is None else ClosestTask(closest["task_id"], closest["name"]),
            refusal=value["refusal"],
        )

    def to_json(self) -> dict[str, Any]:
        """The space as a JSON value."""
        return {
            "primitives": list(self.space.primitives),
            "source_task_ids": list(self.source_task_ids),
            "closest": None if self.closest is None else vars(self.closest),
            "refusal": self.refusal,
        }


@dataclass(frozen=True)
class LimitedSpace:
    """The space to search, its skeleton, and the table that latencies are predicted from (None without a limit)."""

    space: SearchSpace
    skeleton: Skeleton
    latency: LatencyTable | None


FOUND_SPACE = Codec(FoundSpace.to_json, FoundSpace.from_json)
ELIGIBLE: Codec[tuple[str, ...]] = Codec(
    list, lambda eligibility: tuple(entry["task_id"] for entry in eligibility if entry["eligible"])
)


def find_space(context: JobContext, task: ResolvedTask, answer: Answer, fitted: Sequence[FittedNetwork]) -> FoundSpace:
    """Measure the distances, and choose the space of the closest task; a later attempt of the job uses the same one.

    The full space is chosen if no cell of that space satisfies the constraints.
    """
    limits = answer.request.limits

    def choose() -> FoundSpace:
        found = _choose(context, task, answer, fitted)
        try:
            fitted_skeleton(task.image_size, task.classes, limits, found.space)
        except ImpossibleConstraintError as impossible:
            return FoundSpace.full(found.closest, str(impossible))
        return found

    return answer.once("search_space", choose, FOUND_SPACE, lambda found: space_part(task, limits, found))


def eligible_tasks(context: JobContext) -> tuple[str, ...]:
    """The ids of the baselines that take part, once `find_space` has chosen them."""
    return context.memo.stored("contenders", ELIGIBLE)


def space_part(task: ResolvedTask, limits: Constraints, found: FoundSpace) -> Part:
    """The `search_space` of a recommendation, with the widest skeleton that satisfies the constraints."""
    skeleton = fitted_skeleton(task.image_size, task.classes, limits, found.space)
    warning = f"the full space is searched instead of the closest task's: {found.refusal}"
    return Part({"search_space": _document(found, skeleton)}, None if found.refusal is None else warning)


def limit_latency(context: JobContext, task: ResolvedTask, answer: Answer, found: FoundSpace) -> LimitedSpace:
    """Measure the table for a limit on latency, once for all attempts; the full space replaces one that is too slow.

    Raises:
        ImpossibleConstraintError: no cell of the full space satisfies the limit.
    """
    limits, device = answer.request.limits, context.compute.device

    def skeleton(space: SearchSpace) -> Skeleton:
        return fitted_skeleton(task.image_size, task.classes, limits, space)

    def measure_full() -> LatencyLimit:
        return LatencyLimit(latency_table(limits, FULL_SPACE, skeleton(FULL_SPACE), device))

    if found.space == FULL_SPACE:
        limit = context.once("latency_table", measure_full, LATENCY_LIMIT)
        return LimitedSpace(FULL_SPACE, skeleton(FULL_SPACE), limit.table)
    limit = context.once(
        "latency_table", lambda: latency_limit(limits, found.space, skeleton(found.space), device), LATENCY_LIMIT
    )
    if (refusal := limit.refusal) is None:
        return LimitedSpace(found.space, skeleton(found.space), limit.table)
    full = answer.once(
        "full_space",
        lambda: FoundSpace.full(found.closest, refusal),
        FOUND_SPACE,
        lambda full: space_part(task, limits, full),
    )
    limit = context.once("full_space.latency_table", measure_full, LATENCY_LIMIT)
    return LimitedSpace(full.space, skeleton(full.space), limit.table)


def _choose(context: JobContext, task: ResolvedTask, answer: Answer, fitted: Sequence[FittedNetwork]) -> FoundSpace:
    measure = answer.request.measure
    contenders = _find_contenders(context, task, answer)
    comparable = [baseline for baseline in contenders.baselines if baseline.comparable]
    seconds = DISTANCE_SHARE * answer.request.race_seconds if answer.request.strategy == RACE else None
    column = measure_column(context, task, fitted, comparable, ranking_measure=measure, seconds=seconds)
    answer.report(
        **column_document(column, contenders.baselines, measure=measure, architecture=task.architecture),
        approximation=all(item.approximation for item in fitted),
        provenance=provenance_document(task, column.recipe),
    )
    genotypes = {baseline.id: baseline.genotypes for baseline in comparable}
    closest, search = _closest(column, measure, contenders), answer.request.search
    if answer.request.space != "primitives":  # known cells have any primitives
        return FoundSpace(FULL_SPACE, (), closest)
    chosen = choose_space(column.ranking(measure), genotypes, k=search.k or 1)
    return FoundSpace(chosen.space, chosen.source_task_ids, closest)


def _find_contenders(context: JobContext, task: ResolvedTask, answer: Answer) -> Contenders:
    """The baselines that take part, the same ones in every attempt."""
    request = answer.request
    contenders = context.once(
        "contenders",
        lambda: find_baselines(
            context,
            task,
            named=request.baselines,
            require_approximation=request.require_approximation,
        ),
        Codec(Contenders.to_json, lambda eligibility: restore_baselines(context, task, eligibility)),
    )
    answer.report(eligibility=contenders.to_json())
    return contenders


def _closest(column: Column, measure: str, contenders: Contenders) -> ClosestTask | None:
    closest = column.ranking(measure).closest
    names = {baseline.id: baseline.task.name for baseline in contenders.baselines}
    return ClosestTask(closest[0], names[closest[0]]) if closest else None


def _document(found: FoundSpace, skeleton: Skeleton) -> dict[str, Any]:
    return {
        "source_task_ids": list(found.source_task_ids),
        "primitives": list(found.space.primitives),
        "nodes": 1 + max(end for _, end in EDGES),
        "skeleton": skeleton.to_json(),
        "size": found.space.size,
        "fraction_of_full": found.space.fraction_of_full,
    }
