"""`/`: what is known, what runs, what was found last, and where to begin."""

from fastapi import APIRouter, Request, Response

from service.dependencies import ResourcesDependency
from service.documents import job_summary, recommendation_summary
from service.web.rendering import page
from worker.registry.session import reading
from worker.registry.states import JobState

router = APIRouter()

LATEST = 10


@router.get("/")
def overview(request: Request, resources: ResourcesDependency) -> Response:
    """The latest recommendations and what is being worked on; to whoever has nothing yet, the first steps."""
    with reading(resources.engine) as registry:
        latest = registry.recommendations.list(limit=LATEST)
        recommendations = [recommendation_summary(row, registry.jobs.get(row.job_id)) for row in latest]
        running = [job_summary(job) for job in registry.jobs.list(state=JobState.RUNNING, limit=LATEST)]
        baselines = len(registry.tasks.baseline_names())
    return page(request, "overview.html", recommendations=recommendations, running=running, baselines=baselines)
