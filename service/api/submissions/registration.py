"""Accepts requests to register a baseline."""

import uuid
from collections.abc import Sequence
from typing import Any

from ldnas.digests import json_digest
from ldnas.space.genotype import Genotype
from service.api.dependencies import Resources
from service.api.submissions.classes import known_counts
from service.api.submissions.columns import checked_task
from service.api.submissions.idempotency import RequestIdentity, once
from service.api.submissions.job_row import insert_job
from service.api.submissions.references import hold_uploaded
from service.schemas.tasks import TaskRequest
from worker.registry import JobKind, Registry, TaskRole, unit_of_work
from worker.specification import GenotypeRequest


def accept_task(resources: Resources, request: TaskRequest, key: str | None, *, owner: str) -> str:
    """Registers a baseline; returns its id, or the id of the one that the same request created before.

    Raises:
        RefusedError: the dataset, the labels, the network or a genotype is not valid.
        NameTakenError: another baseline has the name.
        IdempotencyKeyReusedError: another request used the key.
    """
    identity = RequestIdentity.of(JobKind.REGISTER_TASK, request, key, owner=owner)

    def submit() -> dict[str, Any]:
        task = checked_task(request, resources.settings)
        genotypes = _checked_genotypes(request.genotypes or ())
        params: dict[str, Any] = {"task_id": uuid.uuid4().hex}
        if request.study is None:
            params |= {"default_study": True} if resources.settings.study == "default" else {}
        elif request.study.cells:
            params["study"] = request.study.model_dump(exclude_none=True)
        with unit_of_work(resources.engine) as registry:
            hold_uploaded(registry, task)
            counts = known_counts(registry, task)
            job_id = insert_job(registry, JobKind.REGISTER_TASK, params, identity)
            registry.tasks.insert(
                id=params["task_id"],
                job_id=job_id,
                role=TaskRole.BASELINE,
                name=request.name,
                class_counts=counts,
                **task.columns,
            )
            _store_given(registry, params["task_id"], genotypes)
        return params

    task_id: str = once(resources.engine, identity, submit)["task_id"]
    return task_id


def _checked_genotypes(given: Sequence[GenotypeRequest]) -> list[Genotype]:
    """The given cells in their order, without duplicates."""
    genotypes = [
        Genotype.from_json(genotype.model_dump(mode="json"), field=f"genotypes[{position}]")
        for position, genotype in enumerate(given)
    ]
    return list(dict.fromkeys(genotypes))


def _store_given(registry: Registry, task_id: str, genotypes: Sequence[Genotype]) -> None:
    if not genotypes:
        return
    rows = [{"digest": genotype.digest, "genotype": genotype.to_json()} for genotype in genotypes]
    search_key = json_digest({"given": [row["digest"] for row in rows]})
    stored = registry.results.store_search(search_key, "given", rows)
    registry.task_results.link_genotypes(task_id, [row.id for row in stored])
