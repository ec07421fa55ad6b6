"""`/v1/tasks`: the baselines, and the targets of recommendations."""

from collections.abc import Sequence
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
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
from service.api.errors import DeletedResourceError, NoSamplesError
from service.api.http.accepted import ACCEPTED, point_to, poll_again
from service.api.http.conditional import POLLED, conditional
from service.api.http.files import file_of, stored_file
from service.api.problems import described
from service.api.serializers import task_document, task_summary
from service.api.submissions.registration import accept_task
from service.api.submissions.study import accept_study
from service.schemas.base import Page
from service.schemas.tasks import Study, Task, TaskRequest, TaskSummary
from worker.errors import NotFoundError
from worker.registry import TASKS, listed_task, reading, unit_of_work
from worker.specification import StudyRequest

PNG = "image/png"

router = APIRouter(prefix="/v1/tasks", tags=["tasks"], responses=described(422, 503))


@router.post("", status_code=202, summary="Register a baseline", responses=ACCEPTED | described(400, 409, 413, 415))
def register_task(
    body: TaskRequest,
    response: Response,
    resources: ResourcesDependency,
    caller: CallerDependency,
    key: IdempotencyKey = None,
) -> Task:
    """Stores the task and queues a job that trains its networks and finds its genotypes."""
    task_id = accept_task(resources, body, key, owner=caller.owner)
    try:
        document = _document(resources, task_id)
    except NotFoundError as error:
        raise DeletedResourceError(
            f"task {task_id} was deleted; use a new idempotency key to register it again"
        ) from error
    point_to(response, f"/v1/tasks/{task_id}")
    return document


@router.get("", summary="List tasks", response_model=Page[TaskSummary])
async def list_tasks(
    resources: ResourcesDependency,
    limit: Limit = 50,
    after: After = None,
    role: Literal["baseline", "target"] | None = None,
) -> Response:
    """Newest first."""
    return await resources.polls.page(Page[TaskSummary], TASKS, _line, limit, role=role, after=after)


@router.get("/{task_id}", summary="Show a task", response_model=Task, responses=POLLED | described(404))
def get_task(task_id: ResourceId, request: Request, resources: ResourcesDependency) -> Response:
    """The task, the state of its job, its networks, its genotypes (the best first) and the trainings of its cells."""
    document = _document(resources, task_id)
    return conditional(request, document, headers=poll_again(document))


@router.get(
    "/{task_id}/samples",
    summary="Some images of each class",
    response_class=FileResponse,
    responses=file_of(PNG, binary=True) | described(404),
)
def get_samples(task_id: ResourceId, request: Request, resources: ResourcesDependency) -> Response:
    """A PNG with a row of eight square cells for each of the first 30 classes: its first training images.

    The images are shown as the task's networks see them, in cells of up to 64 pixels. Test images are never shown. A
    task that was registered before pictures were stored has none until a job reads its data again.
    """
    with reading(resources.engine) as registry:
        task = registry.tasks.get(task_id)
    if task.samples is None:
        raise NoSamplesError(f"task {task.name!r} has no picture of its images")
    return stored_file(resources.store, request, task.samples, PNG, f"{task_id}.png")


@router.post(
    "/{task_id}/study",
    status_code=202,
    summary="Train more cells of a baseline",
    responses=ACCEPTED | described(400, 404, 409, 413, 415),
)
def study_task(
    task_id: ResourceId,
    body: StudyRequest,
    response: Response,
    resources: ResourcesDependency,
    caller: CallerDependency,
    key: IdempotencyKey = None,
) -> Study:
    """Queues a job that tries cells of a ready baseline, and trains the best ones in full.

    Cells that are trained already are not trained again. 409 for a target, and while the baseline is not ready.
    """
    job = accept_study(resources, task_id, body, key, owner=caller.owner)
    with reading(resources.engine) as registry:
        name = registry.tasks.names([task_id]).get(task_id)
    if name is None:
        raise DeletedResourceError(f"task {task_id} was deleted; register it again to study its cells")
    point_to(response, f"/v1/jobs/{job.id}")
    return Study(job_id=job.id, state=job.state.value, task_id=task_id, name=name)


@router.delete("/{task_id}", status_code=204, summary="Delete a task", responses=described(404, 409))
def delete_task(task_id: ResourceId, resources: ResourcesDependency) -> None:
    """Data that other tasks share with it remain. 409 while a job works on the task: cancel that job first.

    This may be its own job, or one that measures distances to it or studies its cells.
    """
    with unit_of_work(resources.engine) as registry:
        registry.tasks.delete(task_id)


def _document(resources: Resources, task_id: str) -> Task:
    with reading(resources.engine) as registry:
        task = registry.tasks.get(task_id)
        job = registry.jobs.get(task.job_id)
        return task_document(registry, task, job)


def _line(row: Sequence[Any]) -> TaskSummary:
    return task_summary(*listed_task(row))
