"""The job `distances`: one target's column, by the requested measures."""

from typing import Any

from worker.jobs.context import JobContext
from worker.jobs.stages.baselines import Baseline, find_baselines
from worker.jobs.stages.column_document import column_document
from worker.jobs.stages.distance import measure_column
from worker.jobs.stages.fit import fit_task_networks
from worker.jobs.stages.resolve import resolve
from worker.specification import ColumnParams

PLAN = {"resolve": 0.1, "fit": 0.2, "distance": 0.7}


def measure_distances(context: JobContext, params: dict[str, Any]) -> dict[str, Any]:
    """Measure the distances from the named sources (all baselines if none are named) to one target task.

    Every source is measured in full, however many there are, because the client asked for the whole column.
    """
    wanted = ColumnParams.from_storage(params)
    with context.stage("resolve"):
        task = resolve(context, wanted.target_task_id)
    with context.stage("fit"):
        fitted = fit_task_networks(context, task)[: wanted.repetitions]
    with context.stage("distance"):
        contenders = find_baselines(context, task, named=wanted.sources, require_approximation=False)
        comparable = [baseline for baseline in contenders.baselines if baseline.comparable]
        column = measure_column(
            context,
            task,
            fitted,
            comparable,
            ranking_measure=wanted.measures[0],
            measures=wanted.measures,
            exhaustive=True,
        )

    def document(measure: str, baselines: tuple[Baseline, ...] = contenders.baselines) -> dict[str, Any]:
        return column_document(column, baselines, measure=measure, architecture=task.architecture)

    return {
        "target": {"task_id": task.id, "name": task.name},
        "eligibility": contenders.to_json(),
        "columns": {measure: document(measure) for measure in wanted.measures},
    }
