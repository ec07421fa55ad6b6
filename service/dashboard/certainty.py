"""The probabilities of a column, read from the latest answer that measured it."""

from collections.abc import Mapping, Sequence
from typing import Any

from service.schemas.distances import Measure
from worker.registry import JobKind, JobState, Registry

_JOBS_SEARCHED = 100


def measured_column(registry: Registry, target_task_id: str, measure: Measure) -> Sequence[Mapping[str, Any]]:
    """Returns the latest complete column to this target: an entry `distances[…]` of an answer for each source.

    The column comes from the latest jobs that measured columns, or else from the recommendation for this target. It is
    empty if neither has one.
    """
    for job in registry.jobs.list(kind=JobKind.DISTANCES, state=JobState.SUCCEEDED, limit=_JOBS_SEARCHED):
        columns = (job.result or {}).get("columns", {})
        if job.params["target_task_id"] == target_task_id and measure in columns:
            return columns[measure]["distances"] or []
    asked = registry.recommendations.of_task(target_task_id)
    entries = (asked.document.get("distances") if asked is not None else None) or []
    return [entry for entry in entries if entry["measure"] == measure]
