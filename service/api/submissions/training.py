"""Accepts requests to train an architecture again on other data."""

import uuid

from service.api.dependencies import Resources
from service.api.submissions.classes import known_counts
from service.api.submissions.idempotency import RequestIdentity, once
from service.api.submissions.job_row import insert_job
from service.api.submissions.references import checked_data, hold_uploaded
from service.schemas.architectures import TrainingRequest
from worker.registry import JobKind, JobRow, TaskRole, reading, unit_of_work
from worker.specification import LONGEST_NAME, REPETITIONS, RecommendationRequest

# Suffix of the name of an architecture that is trained again, if the request has no name.
AGAIN = " again"


def accept_training(
    resources: Resources, architecture_id: str, request: TrainingRequest, key: str | None, *, owner: str
) -> JobRow:
    """Queues the training of an architecture on other data; returns the job, new or from the same earlier request.

    Raises:
        NotFoundError: the architecture does not exist.
        RefusedError: the dataset or the labels are not valid.
        IdempotencyKeyReusedError: another request used the key.
    """
    identity = RequestIdentity.of(JobKind.TRAIN_ARCHITECTURE, request, key, owner=owner, subject=architecture_id)

    def submit() -> dict[str, str]:
        task = checked_data(request, resources.settings)
        with reading(resources.engine) as registry:
            found = registry.architectures.get(architecture_id)
        params = {
            "architecture_id": uuid.uuid4().hex,
            "source_architecture_id": architecture_id,
            "task_id": uuid.uuid4().hex,
            "job_id": uuid.uuid4().hex,
            "name": request.name or _again(found.name),
            "objective": request.objective,
        }
        with unit_of_work(resources.engine) as registry:
            hold_uploaded(registry, task)
            counts = known_counts(registry, task)
            insert_job(registry, JobKind.TRAIN_ARCHITECTURE, params, identity, request.priority, id=params["job_id"])
            registry.tasks.insert(
                id=params["task_id"],
                job_id=params["job_id"],
                role=TaskRole.TARGET,
                name=params["name"],
                architecture=None,
                epsilon=RecommendationRequest.model_fields["epsilon"].default,
                repetitions=REPETITIONS,
                seed=request.seed,
                image_size=request.image_size or found.image_size,
                class_counts=counts,
                **task.columns,
            )
        return params

    job_id: str = once(resources.engine, identity, submit)["job_id"]
    with reading(resources.engine) as registry:
        return registry.jobs.get(job_id)


def _again(name: str) -> str:
    """The default name of the new architecture, no longer than names may be."""
    return f"{name[: LONGEST_NAME - len(AGAIN)]}{AGAIN}"
