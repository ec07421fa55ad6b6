"""Where a column's probabilities are found: in the answer to whoever had it measured last."""

from collections.abc import Mapping, Sequence
from typing import Any

from service.schemas.distances import Measure
from worker.registry.registry import Registry
from worker.registry.states import JobKind, JobState

_JOBS_LOOKED_THROUGH = 100


def measured_column(registry: Registry, target_task_id: str, measure: Measure) -> Sequence[Mapping[str, Any]]:
    """The column to this target as it was last measured whole: an entry `distances[…]` of an answer for each source.

    It is the recommendation's whose target the task was, or of the latest jobs that measured columns; empty where
    there is none.
    """
    for job in registry.jobs.list(kind=JobKind.DISTANCES, state=JobState.SUCCEEDED, limit=_JOBS_LOOKED_THROUGH):
        columns = (job.result or {}).get("columns", {})
        if job.params["target_task_id"] == target_task_id and measure in columns:
            return columns[measure]["distances"] or []
    asked = registry.recommendations.of_task(target_task_id)
    entries = (asked.document.get("distances") if asked is not None else None) or []
    return [entry for entry in entries if entry["measure"] == measure]
