"""Algorithm 1 up to its search: distances from the baselines, the closest one, and its space."""

from collections.abc import Sequence
from typing import Any

from ldnas.errors import ImpossibleConstraintError
from ldnas.recipe import MEASURES
from ldnas.recommend import ChosenSpace, choose_space
from ldnas.space.constraints import Constraints
from ldnas.space.fitting import fitted_skeleton
from ldnas.space.genotype import EDGES
from ldnas.space.skeleton import Skeleton
from ldnas.space.space import FULL_SPACE, SearchSpace
from worker.jobs.context import JobContext
from worker.jobs.stages.answer import Answer
from worker.jobs.stages.baselines import Contenders, find_baselines, restore_baselines
from worker.jobs.stages.column_document import column_document
from worker.jobs.stages.distance import measure_column
from worker.jobs.stages.fit import FittedNetwork
from worker.jobs.stages.resolve import ResolvedTask


def skeleton_for(task: ResolvedTask, answer: Answer, space: SearchSpace) -> Skeleton:
    """The widest skeleton in which some cell of the space satisfies the request's constraints.

    Raises:
        ImpossibleConstraintError: no skeleton has such a cell.
    """
    limits = Constraints(**(answer.request.get("constraints") or {}))
    return fitted_skeleton(task.image_size, task.classes, limits, space)


def find_space(context: JobContext, task: ResolvedTask, answer: Answer, fitted: Sequence[FittedNetwork]) -> SearchSpace:
    """The space to search, as chosen by an earlier attempt if it got that far."""
    reported = answer.reported.get("search_space")
    if reported is not None:
        return SearchSpace(tuple(reported["primitives"]))
    measure = answer.request.get("measure") or MEASURES[0]
    contenders = _find_contenders(context, task, answer)
    comparable = [baseline for baseline in contenders.baselines if baseline.comparable]
    column = measure_column(context, task, fitted, comparable, ranking_measure=measure)
    genotypes = {baseline.id: baseline.genotypes for baseline in comparable}
    k = (answer.request.get("search") or {}).get("k") or 1
    chosen = choose_space(column.ranking(measure), genotypes, k=k)
    answer.report(
        **column_document(column, contenders.baselines, measure=measure, architecture=task.architecture),
        approximation=all(item.approximation for item in fitted),
    )
    try:
        skeleton = skeleton_for(task, answer, chosen.space)
    except ImpossibleConstraintError as refusal:
        return take_full_space(task, answer, refusal)
    answer.report(search_space=_document(chosen, skeleton))
    return chosen.space


def take_full_space(task: ResolvedTask, answer: Answer, refusal: ImpossibleConstraintError) -> SearchSpace:
    """Use the full space, because the closest task's space has no cell that satisfies the constraints."""
    answer.report(
        search_space=_document(ChosenSpace(FULL_SPACE, ()), skeleton_for(task, answer, FULL_SPACE)),
        warning=f"the full space is searched instead of the closest task's: {refusal}",
    )
    return FULL_SPACE


def _find_contenders(context: JobContext, task: ResolvedTask, answer: Answer) -> Contenders:
    """The baselines that take part, the same ones in every attempt."""
    reported = answer.reported.get("eligibility")
    if reported is not None:
        contenders = restore_baselines(context, task, reported)
    else:
        contenders = find_baselines(
            context,
            task,
            named=answer.request.get("baselines"),
            require_approximation=bool(answer.request.get("require_approximation")),
        )
    answer.report(eligibility=contenders.to_json())
    return contenders


def _document(chosen: ChosenSpace, skeleton: Skeleton) -> dict[str, Any]:
    """The `search_space` of a recommendation."""
    return {
        "source_task_ids": list(chosen.source_task_ids),
        "primitives": list(chosen.space.primitives),
        "nodes": 1 + max(end for _, end in EDGES),
        "skeleton": skeleton.to_json(),
        "size": chosen.space.size,
        "fraction_of_full": chosen.space.fraction_of_full,
    }
