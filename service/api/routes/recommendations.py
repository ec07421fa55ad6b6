"""`/v1/recommendations`: request an architecture, follow the job, and read the answer with its reasons."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from anyio import CapacityLimiter, fail_after
from fastapi import APIRouter, Depends, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse

from service.api.dependencies import (
    After,
    CallerDependency,
    IdempotencyKey,
    Limit,
    ResourceId,
    Resources,
    ResourcesDependency,
)
from service.api.errors import BusyError, DeletedResourceError
from service.api.evaluation import error_sheet_digest, evaluation_document
from service.api.event_feed import NOTHING_LEFT, LastEventId, feed, refuse_finished_stream
from service.api.http.accepted import ACCEPTED, QUOTA, pointer
from service.api.http.conditional import POLLED, conditional
from service.api.http.files import file_of, stored_file
from service.api.problems import described
from service.api.serializers import recommendation_document, summary_of_line, task_document
from service.api.submissions.recommendation import accept_recommendation
from service.api.webhooks import webhook_document
from service.schemas.answer import Recommendation, RecommendationSummary
from service.schemas.base import Page
from service.schemas.evaluation import Evaluation
from service.schemas.recommendations import PromotionRequest
from service.schemas.tasks import Task
from worker.errors import NotFoundError
from worker.registry import RECOMMENDATIONS, reading, unit_of_work
from worker.specification import RecommendationRequest

PNG = "image/png"

TURN_SECONDS = 30.0
"""The longest wait of a submit for those before it."""

router = APIRouter(prefix="/v1/recommendations", tags=["recommendations"], responses=described(422, 503))


@router.post(
    "",
    status_code=202,
    summary="Request an architecture",
    response_model=Recommendation,
    responses=ACCEPTED | QUOTA | described(400, 409, 413, 415),
)
async def ask(
    body: RecommendationRequest,
    resources: ResourcesDependency,
    caller: CallerDependency,
    key: IdempotencyKey = None,
) -> Response:
    """Stores the new task and queues a job that compares it with the baselines, searches and trains.

    A key with as many unfinished recommendations as its quota allows is refused (429) until one has ended.
    """
    async with _turn(resources.submits):
        recommendation_id = await run_in_threadpool(accept_recommendation, resources, body, key, owner=caller.owner)
    try:
        return await resources.polls.accepted(recommendation_id, pointer(f"/v1/recommendations/{recommendation_id}"))
    except NotFoundError as error:
        raise DeletedResourceError(
            f"recommendation {recommendation_id} was deleted; use a new idempotency key to request it again"
        ) from error


@router.get("", summary="List recommendations", response_model=Page[RecommendationSummary])
async def list_recommendations(resources: ResourcesDependency, limit: Limit = 50, after: After = None) -> Response:
    """Newest first."""
    return await resources.polls.page(Page[RecommendationSummary], RECOMMENDATIONS, summary_of_line, limit, after=after)


@router.get(
    "/{recommendation_id}",
    summary="Poll a recommendation",
    response_model=Recommendation,
    responses=POLLED | described(404),
)
async def get_recommendation(
    recommendation_id: ResourceId, request: Request, resources: ResourcesDependency
) -> Response:
    """Has every field from the first poll, `null` until its value is known; an unchanged answer is a 304."""
    return await resources.polls.recommendation(request, recommendation_id)


@router.get(
    "/{recommendation_id}/evaluation",
    summary="The test evaluation of the network",
    response_model=Evaluation,
    responses=POLLED | described(404),
)
def get_evaluation(recommendation_id: ResourceId, request: Request, resources: ResourcesDependency) -> Response:
    """On the test images: confusion matrix, recall of each class, and misclassified images, most confident first.

    404 (`not_evaluated`) until the network is trained.
    """
    with reading(resources.engine) as registry:
        recommendation = registry.recommendations.get(recommendation_id)
    return conditional(request, evaluation_document(recommendation, resources.store))


@router.get(
    "/{recommendation_id}/errors.png",
    summary="The most confident errors as a picture",
    response_class=FileResponse,
    responses=file_of(PNG, binary=True) | described(404),
)
def get_error_sheet(recommendation_id: ResourceId, request: Request, resources: ResourcesDependency) -> Response:
    """Up to 48 misclassified test images, most confident first; `place` in the evaluation locates each image.

    404 (`no_error_sheet`) if the network made no error, or the picture was not stored (by workers before 0.2).
    """
    with reading(resources.engine) as registry:
        digest = error_sheet_digest(registry.recommendations.get(recommendation_id))
    return stored_file(resources.store, request, digest, PNG, f"{recommendation_id}-errors.png")


@router.delete(
    "/{recommendation_id}", status_code=204, summary="Delete a recommendation", responses=described(404, 409)
)
def delete_recommendation(recommendation_id: ResourceId, resources: ResourcesDependency) -> None:
    """Deletes the answer and its target task, but not the architecture; 409 while its job has not ended."""
    with unit_of_work(resources.engine) as registry:
        registry.recommendations.delete(recommendation_id)


@router.post(
    "/{recommendation_id}/cancel", status_code=202, summary="Cancel a recommendation", responses=described(404)
)
def cancel_recommendation(recommendation_id: ResourceId, resources: ResourcesDependency) -> Recommendation:
    """Stops it within seconds; the answer so far remains. A recommendation that has ended does not change."""
    with unit_of_work(resources.engine) as registry:
        recommendation = registry.recommendations.get(recommendation_id)
        job = registry.jobs.request_cancel(recommendation.job_id)
        return recommendation_document(recommendation, job, webhook_document(registry.webhooks.status(job.id)))


@router.post(
    "/{recommendation_id}/promote",
    summary="Make the target a baseline",
    responses=described(400, 404, 409, 413, 415),
)
def promote_target(
    recommendation_id: ResourceId, resources: ResourcesDependency, body: PromotionRequest | None = None
) -> Task:
    """Makes the target of a recommendation that succeeded a baseline, with its networks and genotypes.

    Nothing is computed. Promoting it again with the same name changes nothing.
    """
    with unit_of_work(resources.engine) as registry:
        task = registry.recommendations.promote(recommendation_id, body.name if body is not None else None)
        job = registry.jobs.get(task.job_id)
        return task_document(registry, task, job)


@dataclass(frozen=True)
class _Stream:
    """The job whose events a stream sends, and the event after which it begins."""

    job_id: str
    after: int


async def _open_stream(
    recommendation_id: ResourceId, resources: ResourcesDependency, last_event_id: LastEventId = 0
) -> _Stream:
    job_id = await run_in_threadpool(_job_of, resources, recommendation_id)
    await refuse_finished_stream(resources, job_id, last_event_id)
    return _Stream(job_id, last_event_id)


@router.get(
    "/{recommendation_id}/events",
    summary="Follow a recommendation",
    response_class=EventSourceResponse,
    responses=NOTHING_LEFT | described(404),
)
async def recommendation_events(
    resources: ResourcesDependency, caller: CallerDependency, stream: Annotated[_Stream, Depends(_open_stream)]
) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: the stored events after `Last-Event-ID`, then new ones, until the job has ended."""
    async for event in feed(resources, caller, stream.job_id, stream.after):
        yield event


@asynccontextmanager
async def _turn(submits: CapacityLimiter) -> AsyncIterator[None]:
    """One of the few turns to store a submit.

    Raises:
        BusyError: none became free; those that have one wait for the database, or for a folder that does not answer.
    """
    try:
        with fail_after(TURN_SECONDS):
            await submits.acquire()
    except TimeoutError as error:
        raise BusyError(f"no submit was stored for {TURN_SECONDS:g} s; send the same request again") from error
    try:
        yield
    finally:
        submits.release()


def _job_of(resources: Resources, recommendation_id: str) -> str:
    with reading(resources.engine) as registry:
        return registry.recommendations.get(recommendation_id).job_id
