"""Training an architecture again on other data."""

import uuid

from service.dependencies import Resources
from service.idempotency import RequestIdentity, once
from service.intake.job_row import insert_job
from service.references import checked_data, hold_uploaded
from service.schemas.architectures import TrainingRequest
from service.schemas.base import LONGEST_NAME
from service.schemas.recommendations import RecommendationRequest
from worker.registry.models import Job, JobKind, TaskRole
from worker.registry.session import reading, unit_of_work

# What the name of an architecture that is trained again ends in, where the request gives none.
AGAIN = " again"


def accept_training(
    resources: Resources, architecture_id: str, request: TrainingRequest, key: str | None, *, owner: str
) -> Job:
    """Asks that an architecture be trained again on other data; its job, or that which the same request made before.

    Raises:
        NotFoundError: there is no such architecture.
        RefusedError: the dataset or the labels cannot be worked on.
        IdempotencyKeyReusedError: another request came under the key.
    """
    identity = RequestIdentity.of(JobKind.TRAIN_ARCHITECTURE, request, key, owner=owner, subject=architecture_id)

    def submit() -> dict[str, str]:
        data = checked_data(request, resources.settings)
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
            hold_uploaded(registry, data)
            insert_job(registry, JobKind.TRAIN_ARCHITECTURE, params, identity, request.priority, id=params["job_id"])
            registry.tasks.insert(
                id=params["task_id"],
                job_id=params["job_id"],
                role=TaskRole.TARGET,
                name=params["name"],
                architecture=None,
                epsilon=RecommendationRequest.model_fields["epsilon"].default,
                repetitions=RecommendationRequest.model_fields["repetitions"].default,
                seed=request.seed,
                image_size=request.image_size or found.skeleton["image_size"],
                **data,
            )
        return params

    job_id: str = once(resources.engine, identity, submit)["job_id"]
    with reading(resources.engine) as registry:
        return registry.jobs.get(job_id)


def _again(name: str) -> str:
    """A name for what is trained from the architecture of this name, no longer than names may be."""
    return f"{name[: LONGEST_NAME - len(AGAIN)]}{AGAIN}"
