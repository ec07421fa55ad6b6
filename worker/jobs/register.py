"""The job `register_task`: a baseline's images, networks and genotypes, and its trained cells."""

from typing import Any

from worker.jobs.context import JobContext
from worker.jobs.stages.fit import fit_task_networks
from worker.jobs.stages.resolve import resolve
from worker.jobs.stages.search import search_once
from worker.jobs.stages.search_plan import baseline_search
from worker.jobs.stages.study import DEFAULT_CELLS, STUDY, study_by_default, study_cells
from worker.specification import RegistrationParams

PLAN = {"resolve": 0.05, "fit": 0.5, "search": 0.45}
STUDY_SHARE = 0.5
"""The share of each cell of a study, which gets a final training, relative to all of `PLAN`."""


def register_task(context: JobContext, params: dict[str, Any]) -> dict[str, Any]:
    """Prepare a task as a baseline. A task with given genotypes needs no search.

    A study that the client did not ask for cannot fail the registration: `warnings` of the result has its failure.
    """
    wanted = RegistrationParams.from_storage(params)
    task_id = wanted.task_id
    has_study = wanted.study is not None or wanted.default_study
    if has_study:
        cells = DEFAULT_CELLS if wanted.study is None else wanted.study.cells
        context.plan = {**context.plan, STUDY: STUDY_SHARE * cells}
    with context.stage("resolve"):
        task = resolve(context, task_id)
    with context.stage("fit"):
        fitted = fit_task_networks(context, task)
    with context.stage("search"):
        with context.reading() as registry:
            given = registry.task_results.genotypes(task_id)
        genotypes = given or search_once(context, task, baseline_search(task))
    warnings: list[str] = []
    if has_study:
        with context.stage(STUDY):
            if wanted.study is not None:
                study_cells(context, task, wanted.study)
            elif (warning := study_by_default(context, task)) is not None:
                warnings.append(warning)
    return {
        "task_id": task_id,
        "approximation": all(item.approximation for item in fitted),
        "genotypes": len(genotypes),
        "warnings": warnings,
    }
