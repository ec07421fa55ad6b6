"""`/v1/jobs`: the jobs of tasks, distances, recommendations and trainings."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from service.api.dependencies import After, CallerDependency, Limit, ResourceId, ResourcesDependency
from service.api.event_feed import NOTHING_LEFT, LastEventId, feed, refuse_finished_stream
from service.api.http.accepted import QUOTA
from service.api.http.conditional import POLLED
from service.api.problems import described
from service.api.serializers import job_document, job_summary
from service.schemas.base import Page
from service.schemas.jobs import Job, Kind, State
from worker.registry import JOBS, JobKind, job_of, unit_of_work

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=described(404, 422, 503))


@router.get("", summary="List jobs", response_model=Page[Job])
async def list_jobs(
    resources: ResourcesDependency,
    limit: Limit = 50,
    after: After = None,
    state: State | None = None,
    kind: Kind | None = None,
) -> Response:
    """Newest first. Lists of more than 20 items in `params` are left out; the document of a single job has them."""
    return await resources.polls.page(Page[Job], JOBS, _line, limit, state=state, kind=kind, after=after)


@router.get("/{job_id}", summary="Poll a job", response_model=Job, responses=POLLED)
async def get_job(job_id: ResourceId, request: Request, resources: ResourcesDependency) -> Response:
    """State, stage, progress, and the problem document of a failure."""
    return await resources.polls.job(request, job_id)


async def _open_stream(job_id: ResourceId, resources: ResourcesDependency, last_event_id: LastEventId = 0) -> int:
    await refuse_finished_stream(resources, job_id, last_event_id)
    return last_event_id


@router.get("/{job_id}/events", summary="Follow a job", response_class=EventSourceResponse, responses=NOTHING_LEFT)
async def job_events(
    job_id: ResourceId,
    resources: ResourcesDependency,
    caller: CallerDependency,
    after: Annotated[int, Depends(_open_stream)],
) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: the stored events after `Last-Event-ID`, then new ones, until the job has ended."""
    async for event in feed(resources, caller, job_id, after):
        yield event


@router.post("/{job_id}/cancel", status_code=202, summary="Cancel a job")
def cancel_job(job_id: ResourceId, resources: ResourcesDependency) -> Job:
    """A queued job is cancelled at once, a running one within seconds; a job that has ended does not change."""
    with unit_of_work(resources.engine) as registry:
        return job_document(registry.jobs.request_cancel(job_id))


@router.post("/{job_id}/retry", status_code=202, summary="Retry a job", responses=QUOTA | described(409))
def retry_job(job_id: ResourceId, resources: ResourcesDependency) -> Job:
    """Queues a failed or cancelled job again; stored results of its stages are not computed again.

    A recommendation counts towards the quota of the key that requested it, as it did the first time.
    """
    with unit_of_work(resources.engine) as registry:
        job = registry.jobs.get(job_id)
        if job.kind == JobKind.RECOMMEND and job.state.ended:
            registry.keys.require_room(job.owner, resources.settings.quota)
        registry.jobs.retry(job_id)
        return job_document(registry.jobs.get(job_id))


def _line(row: Sequence[Any]) -> Job:
    return job_summary(job_of(row))
