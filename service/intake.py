"""What a POST goes through: the checks that need no image, then one transaction that stores the wish and its job.

Nothing is published here: the row of the job is the message, and the dispatcher finds it.
"""

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ldnas.data.labels import LabelMapping
from ldnas.data.reference import DatasetReference, check_location
from ldnas.digests import json_digest
from ldnas.networks.names import require_architecture
from ldnas.space.genotype import Genotype
from service.dependencies import Resources
from service.errors import UnknownBaselineError
from service.idempotency import OWNER, RequestIdentity, once
from service.schemas.recommendations import RecommendationRequest
from service.schemas.requests import GenotypeRequest
from service.schemas.tasks import TaskRequest
from worker.registry.models import JobKind, TaskRole
from worker.registry.registry import Registry
from worker.registry.session import unit_of_work


def accept_task(resources: Resources, request: TaskRequest, key: str | None) -> str:
    """Registers a baseline; its id, or that of the one which the same request made before.

    Raises:
        RefusedError: the dataset, the labels, the network or a genotype cannot be worked on.
        NameTakenError: another baseline holds the name.
        IdempotencyKeyReusedError: another request came under the key.
    """
    identity = RequestIdentity.of(JobKind.REGISTER_TASK, request, key)

    def submit() -> dict[str, str]:
        columns = _checked(request, resources.settings.dataset_roots)
        genotypes = _checked_genotypes(request.genotypes or ())
        params = {"task_id": uuid.uuid4().hex}
        with unit_of_work(resources.engine) as registry:
            job_id = _insert_job(registry, JobKind.REGISTER_TASK, params, identity)
            registry.tasks.insert(
                id=params["task_id"], job_id=job_id, role=TaskRole.BASELINE, name=request.name, **columns
            )
            _keep_given(registry, params["task_id"], genotypes)
        return params

    return once(resources.engine, identity, submit)["task_id"]


def accept_recommendation(resources: Resources, request: RecommendationRequest, key: str | None) -> str:
    """Asks for an architecture; the recommendation's id, or that of the one which the same request made before.

    Raises:
        RefusedError: the dataset, the labels or the network cannot be worked on.
        UnknownBaselineError: a baseline that is named does not exist.
        IdempotencyKeyReusedError: another request came under the key.
    """
    identity = RequestIdentity.of(JobKind.RECOMMEND, request, key)

    def submit() -> dict[str, str]:
        columns = _checked(request, resources.settings.dataset_roots)
        params = {"recommendation_id": uuid.uuid4().hex, "task_id": uuid.uuid4().hex}
        name = request.name or f"target-{params['task_id'][:8]}"
        asked = request.model_dump(mode="json", exclude_none=True) | {
            "dataset": columns["dataset"],
            "labels": columns["labels"],
        }
        with unit_of_work(resources.engine) as registry:
            _require_baselines(registry, request.baselines or ())
            job_id = _insert_job(registry, JobKind.RECOMMEND, params, identity, request.priority)
            registry.tasks.insert(id=params["task_id"], job_id=job_id, role=TaskRole.TARGET, name=name, **columns)
            registry.recommendations.insert(
                id=params["recommendation_id"],
                name=request.name,
                job_id=job_id,
                task_id=params["task_id"],
                request=asked,
            )
        return params

    return once(resources.engine, identity, submit)["recommendation_id"]


def _checked(request: TaskRequest | RecommendationRequest, roots: Sequence[Path]) -> dict[str, Any]:
    """The columns that every task has, after all checks which cost no more than a few stat calls."""
    reference = DatasetReference.from_json(request.dataset.model_dump(exclude_none=True))
    check_location(reference, roots)
    labels = None if request.labels is None else LabelMapping.from_json(request.labels.model_dump()).to_json()
    architecture = None if request.network is None else require_architecture(request.network)
    return {
        "dataset": reference.to_json(),
        "labels": labels,
        "architecture": architecture,
        "epsilon": request.epsilon,
        "repetitions": request.repetitions,
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
    registry: Registry, kind: JobKind, params: dict[str, Any], identity: RequestIdentity, priority: int = 0
) -> str:
    return registry.jobs.insert(
        kind,
        params,
        owner=OWNER,
        priority=priority,
        idempotency_key=identity.key,
        request_hash=identity.digest,
    ).id


def _require_baselines(registry: Registry, names: Sequence[str]) -> None:
    for position, name in enumerate(names):
        if registry.tasks.find_baseline(name) is None:
            known = ", ".join(row.task.name for row in registry.tasks.baselines()) or "none yet"
            raise UnknownBaselineError(
                f"there is no baseline {name!r}; registered are {known}", field=f"baselines[{position}]"
            )
