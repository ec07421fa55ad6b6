"""Accepts requests to study more cells of a baseline."""

import uuid
from typing import Any

from service.api.dependencies import Resources
from service.api.submissions.idempotency import RequestIdentity, once
from service.api.submissions.job_row import insert_job
from worker.errors import NotFoundError, NotStudiableError
from worker.registry import JobKind, JobRow, JobState, TaskRole, reading, unit_of_work
from worker.specification import StudyRequest


def accept_study(resources: Resources, task_id: str, request: StudyRequest, key: str | None, *, owner: str) -> JobRow:
    """Queues a study of a baseline's cells; returns the job, new or from the same earlier request.

    Raises:
        NotFoundError: the task does not exist.
        NotStudiableError: it is a target, or not ready.
        IdempotencyKeyReusedError: another request used the key.
    """
    identity = RequestIdentity.of(JobKind.STUDY, request, key, owner=owner, subject=task_id)

    def submit() -> dict[str, Any]:
        params: dict[str, Any] = {
            "task_id": task_id,
            "study": request.model_dump(exclude_none=True),
            "job_id": uuid.uuid4().hex,
        }
        with unit_of_work(resources.engine) as registry:
            if not registry.tasks.hold([task_id]):
                raise NotFoundError("task", task_id)
            found = registry.tasks.row(task_id)
            if found.task.role != TaskRole.BASELINE:
                raise NotStudiableError(task_id, "it is a target; promote its recommendation first")
            if found.state is not JobState.SUCCEEDED:
                raise NotStudiableError(task_id, f"its job is {found.state}, not succeeded")
            insert_job(registry, JobKind.STUDY, params, identity, id=params["job_id"])
        return params

    job_id: str = once(resources.engine, identity, submit)["job_id"]
    with reading(resources.engine) as registry:
        return registry.jobs.get(job_id)
