"""`/`: counts, running jobs, the latest recommendations, and the first steps."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response

from service.api.dependencies import ResourcesDependency
from service.api.serializers import recommendation_summary
from service.dashboard.job_lines import job_lines
from service.dashboard.pages.jobs import counts_by_state, seen_workers
from service.dashboard.rendering import page
from service.schemas.answer import RecommendationSummary
from worker.registry import JobRow, JobState, RecommendationRow, reading

router = APIRouter()

LATEST = 10


@dataclass(frozen=True)
class Latest:
    """A line of the latest recommendations, with the known figures of its answer.

    Attributes:
        fraction: the progress of its job, in [0, 1].
        closest: the name of the closest known task; in a tie the most probable one.
        accuracy: on test images, in [0, 1].
        interval: of the accuracy, 95 %.
        parameters: of the recommended network.
    """

    summary: RecommendationSummary
    fraction: float | None
    closest: str | None
    accuracy: float | None
    interval: tuple[float, float] | None
    parameters: int | None


@router.get("/")
def overview(request: Request, resources: ResourcesDependency) -> Response:
    """Shows the state of the installation; without any recommendation, the first steps."""
    with reading(resources.engine) as registry:
        latest = [_latest(*found) for found in registry.recommendations.with_jobs(limit=LATEST)]
        running = job_lines(registry, registry.jobs.list(state=JobState.RUNNING, limit=LATEST))
        counts = counts_by_state(registry)
        baselines = registry.task_results.baselines()
        workers = [seen.worker for seen in seen_workers(registry)]
    alive = [worker for worker in workers if worker.alive]
    return page(
        request,
        "overview.html",
        latest=latest,
        running=running,
        counts=counts,
        ready=baselines.get(JobState.SUCCEEDED, 0),
        unready=sum(baselines.values()) - baselines.get(JobState.SUCCEEDED, 0),
        alive=len(alive),
        lost=len(workers) - len(alive),
        slots=sum(worker.slots for worker in alive),
        busy=sum(len(worker.jobs) for worker in alive),
    )


def _latest(row: RecommendationRow, job: JobRow) -> Latest:
    closest, test, architecture = (_part(row.document, name) for name in ("closest", "test", "architecture"))
    return Latest(
        summary=recommendation_summary(row, job),
        fraction=(job.progress or {}).get("fraction"),
        closest=closest.get("name"),
        accuracy=test.get("accuracy"),
        interval=test.get("interval"),
        parameters=architecture.get("parameters"),
    )


def _part(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return document.get(name) or {}
