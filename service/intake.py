"""What a POST goes through: the checks that need no image, then one transaction that stores the wish and its job.

Nothing is published here: the row of the job is the message, and the dispatcher finds it.
"""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ldnas.digests import json_digest
from ldnas.search.names import require_settings
from ldnas.space.constraints import Constraints
from ldnas.space.fitting import fitted_skeleton
from ldnas.space.genotype import Genotype
from ldnas.space.space import FULL_SPACE
from service.dependencies import Resources
from service.errors import (
    AmbiguousTaskError,
    RepeatedTaskError,
    UnknownBaselineError,
    UnknownTaskError,
    UnusableTaskError,
)
from service.idempotency import RequestIdentity, once
from service.references import NAMED_AT_MOST, checked_data, checked_network, hold_uploaded
from service.schemas.architectures import TrainingRequest
from service.schemas.base import LONGEST_NAME
from service.schemas.distances import DistanceRequest
from service.schemas.recommendations import RecommendationRequest
from service.schemas.requests import GenotypeRequest
from service.schemas.tasks import TaskRequest
from service.webhooks import check_webhook
from worker.logs import bound_fields
from worker.registry.errors import NotFoundError
from worker.registry.models import Job, JobKind, JobState, Task, TaskRole
from worker.registry.registry import Registry
from worker.registry.session import reading, unit_of_work
from worker.settings import Settings
from worker.tracing import traceparent

# What the name of an architecture that is trained again ends in, where the request gives none.
AGAIN = " again"


def accept_task(resources: Resources, request: TaskRequest, key: str | None, *, owner: str) -> str:
    """Registers a baseline; its id, or that of the one which the same request made before.

    Raises:
        RefusedError: the dataset, the labels, the network or a genotype cannot be worked on.
        NameTakenError: another baseline holds the name.
        IdempotencyKeyReusedError: another request came under the key.
    """
    identity = RequestIdentity.of(JobKind.REGISTER_TASK, request, key, owner=owner)

    def submit() -> dict[str, str]:
        columns = _checked(request, resources.settings)
        genotypes = _checked_genotypes(request.genotypes or ())
        params = {"task_id": uuid.uuid4().hex}
        with unit_of_work(resources.engine) as registry:
            hold_uploaded(registry, columns)
            job_id = _insert_job(registry, JobKind.REGISTER_TASK, params, identity)
            registry.tasks.insert(
                id=params["task_id"], job_id=job_id, role=TaskRole.BASELINE, name=request.name, **columns
            )
            _keep_given(registry, params["task_id"], genotypes)
        return params

    task_id: str = once(resources.engine, identity, submit)["task_id"]
    return task_id


def accept_recommendation(resources: Resources, request: RecommendationRequest, key: str | None, *, owner: str) -> str:
    """Asks for an architecture; the recommendation's id, or that of the one which the same request made before.

    Raises:
        RefusedError: the dataset, the labels or the network cannot be worked on, the strategy does not take a setting,
            or no network can keep the constraints.
        ForbiddenWebhookError: the webhook's URL is not https, or its host is not allowed.
        UnknownBaselineError: a baseline that is named does not exist.
        QuotaExceededError: the owner has as many unfinished recommendations as it may have.
        IdempotencyKeyReusedError: another request came under the key.
    """
    identity = RequestIdentity.of(JobKind.RECOMMEND, request, key, owner=owner)

    def submit() -> dict[str, str]:
        columns = _checked(request, resources.settings)
        _check_search(request)
        check_webhook(request.webhook, resources.settings)
        params = {"recommendation_id": uuid.uuid4().hex, "task_id": uuid.uuid4().hex}
        name = request.name or f"target-{params['task_id'][:8]}"
        asked = request.model_dump(mode="json", exclude_none=True, exclude={"webhook"}) | {
            "dataset": columns["dataset"],
            "labels": columns["labels"],
        }
        with reading(resources.engine) as registry:
            _baselines(registry, request.baselines or (), "baselines")
        with unit_of_work(resources.engine) as registry:
            registry.keys.require_room(owner, resources.settings.quota)
            hold_uploaded(registry, columns)
            job_id = _insert_job(registry, JobKind.RECOMMEND, params, identity, request.priority)
            registry.tasks.insert(id=params["task_id"], job_id=job_id, role=TaskRole.TARGET, name=name, **columns)
            registry.recommendations.insert(
                id=params["recommendation_id"],
                name=request.name,
                job_id=job_id,
                task_id=params["task_id"],
                request=asked,
            )
            if request.webhook is not None:
                registry.webhooks.insert(job_id, request.webhook.url, request.webhook.secret)
        return params

    recommendation_id: str = once(resources.engine, identity, submit)["recommendation_id"]
    return recommendation_id


def _check_search(request: RecommendationRequest) -> None:
    """Refuse what can be seen to fail before an image is read: settings, and limits where the skeleton is known."""
    require_settings(request.search.strategy, candidates=request.search.candidates, rounds=request.search.rounds)
    constraints = Constraints(**(request.constraints.model_dump() if request.constraints is not None else {}))
    if request.image_size is not None:
        # More classes make a larger head; with two the limits are as easy to keep as they ever are.
        classes = max(2, len(request.labels.groups) + request.labels.rest) if request.labels is not None else 2
        fitted_skeleton(request.image_size, classes, constraints, FULL_SPACE)


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
            _insert_job(registry, JobKind.TRAIN_ARCHITECTURE, params, identity, request.priority, id=params["job_id"])
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


def accept_distances(
    resources: Resources, request: DistanceRequest, key: str | None, *, owner: str
) -> list[dict[str, Any]]:
    """Asks for columns of distances; `job_id` and `target` of each job, or of those which the same request made before.

    Raises:
        UnknownTaskError: a target that is named does not exist.
        AmbiguousTaskError: several targets have the name.
        UnusableTaskError: the job of a target failed or was cancelled.
        UnknownBaselineError: a source that is named does not exist.
        RepeatedTaskError: two targets, or two sources, are one task.
        IdempotencyKeyReusedError: another request came under the key.
    """
    identity = RequestIdentity.of(JobKind.DISTANCES, request, key, owner=owner)

    def submit() -> dict[str, Any]:
        with reading(resources.engine) as registry:
            targets = [_target(registry, name, f"targets[{place}]") for place, name in enumerate(request.targets)]
            sources = None if request.sources is None else _baselines(registry, request.sources, "sources")
        _require_different([target.id for target in targets], "targets")
        _require_different(sources or (), "sources")
        wanted = {
            "sources": sources,
            "measures": list(dict.fromkeys(request.measures)),
            "repetitions": request.repetitions,
        }
        ids = [uuid.uuid4().hex for _ in targets]
        labels = [{"task_id": target.id, "name": target.name} for target in targets]
        params: list[dict[str, Any]] = [{"target_task_id": target.id, **wanted} for target in targets]
        # The key is unique, so one job has it, and tells of the others.
        params[0]["jobs"] = [{"job_id": id, "target": label} for id, label in zip(ids, labels, strict=True)]
        with unit_of_work(resources.engine) as registry:
            there = registry.tasks.hold([target.id for target in targets])
            for place, target in enumerate(targets):
                if target.id not in there:
                    raise _unknown_task(request.targets[place], f"targets[{place}]")
                bearer = identity if place == 0 else replace(identity, key=None)
                _insert_job(registry, JobKind.DISTANCES, params[place], bearer, id=ids[place])
        return params[0]

    jobs: list[dict[str, Any]] = once(resources.engine, identity, submit)["jobs"]
    return jobs


def _target(registry: Registry, name: str, field: str) -> Task:
    try:
        task, *others = registry.tasks.find_all(name, limit=NAMED_AT_MOST + 1)
    except NotFoundError as error:
        raise _unknown_task(name, field) from error
    if others:
        ids = ", ".join([task.id, *(other.id for other in others)][:NAMED_AT_MOST])
        ids += ", …" if len(others) >= NAMED_AT_MOST else ""
        raise AmbiguousTaskError(f"several targets are called {name!r}; name one by its id: {ids}", field=field)
    job = registry.jobs.get(task.job_id)
    if job.state in (JobState.FAILED, JobState.CANCELLED):
        raise UnusableTaskError(
            f"the job of task {name!r} is {job.state}; POST /v1/jobs/{job.id}/retry tries it again", field=field
        )
    return task


def _unknown_task(name: str, field: str) -> UnknownTaskError:
    return UnknownTaskError(f"there is no task {name!r}; GET /v1/tasks lists those there are", field=field)


def _require_different(task_ids: Sequence[str], field: str) -> None:
    for place, task_id in enumerate(task_ids):
        first = task_ids.index(task_id)
        if first != place:
            raise RepeatedTaskError(f"this is the task of {field}[{first}] again", field=f"{field}[{place}]")


def _checked(request: TaskRequest | RecommendationRequest, settings: Settings) -> dict[str, Any]:
    """The columns that every task has, after all checks which cost no more than a few stat calls."""
    data = checked_data(request, settings)
    return {
        **data,
        **checked_network(request),
        "epsilon": request.epsilon,
        "seed": request.seed,
        "image_size": request.image_size,
    }


def _checked_genotypes(given: Sequence[GenotypeRequest]) -> list[Genotype]:
    """The cells, each once, in the order given."""
    genotypes = [
        Genotype.from_json(genotype.model_dump(mode="json"), field=f"genotypes[{position}]")
        for position, genotype in enumerate(given)
    ]
    return list(dict.fromkeys(genotypes))


def _keep_given(registry: Registry, task_id: str, genotypes: Sequence[Genotype]) -> None:
    if not genotypes:
        return
    rows = [{"digest": genotype.digest, "genotype": genotype.to_json()} for genotype in genotypes]
    search_key = json_digest({"given": [row["digest"] for row in rows]})
    kept = registry.results.keep_search(search_key, "given", rows)
    registry.tasks.link_genotypes(task_id, [row.id for row in kept])


def _insert_job(
    registry: Registry,
    kind: JobKind,
    params: dict[str, Any],
    identity: RequestIdentity,
    priority: int = 0,
    id: str | None = None,
) -> str:
    return registry.jobs.insert(
        kind,
        params,
        owner=identity.owner,
        priority=priority,
        idempotency_key=identity.key,
        request_hash=identity.digest,
        request_id=bound_fields().get("request_id"),
        traceparent=traceparent(),
        id=id,
    ).id


def _baselines(registry: Registry, names: Sequence[str], field: str) -> list[str]:
    """The ids of the baselines of these names or ids."""
    if not names:
        return []
    name_of = registry.tasks.baseline_names()
    id_of = {name: id for id, name in name_of.items()} | {id: id for id in name_of}
    for place, name in enumerate(names):
        if name not in id_of:
            known = ", ".join([*name_of.values()][:NAMED_AT_MOST]) or "none yet"
            known += ", …" if len(name_of) > NAMED_AT_MOST else ""
            raise UnknownBaselineError(
                f"there is no baseline {name!r}; registered are {known}", field=f"{field}[{place}]"
            )
    return [id_of[name] for name in names]
