"""Accepts requests to measure columns of distances."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from service.api.dependencies import Resources
from service.api.errors import (
    RepeatedTaskError,
)
from service.api.submissions.idempotency import RequestIdentity, once
from service.api.submissions.job_row import insert_job
from service.api.submissions.named_tasks import baseline_ids, task_to_measure, unknown_task
from service.schemas.distances import DistanceRequest
from worker.registry import JobKind, reading, unit_of_work


def accept_distances(
    resources: Resources, request: DistanceRequest, key: str | None, *, owner: str
) -> list[dict[str, Any]]:
    """Queues the measurement of columns of distances; returns `job_id` and `target` of each job, new or from before.

    Raises:
        UnknownTaskError: a target does not exist.
        AmbiguousTaskError: several targets have the name.
        UnusableTaskError: the job of a target failed or was cancelled.
        UnknownBaselineError: a source does not exist.
        RepeatedTaskError: two targets, or two sources, are the same task.
        IdempotencyKeyReusedError: another request used the key.
    """
    identity = RequestIdentity.of(JobKind.DISTANCES, request, key, owner=owner)

    def submit() -> dict[str, Any]:
        with reading(resources.engine) as registry:
            targets = [
                task_to_measure(registry, name, f"targets[{place}]") for place, name in enumerate(request.targets)
            ]
            sources = None if request.sources is None else baseline_ids(registry, request.sources, "sources")
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
        # The key is unique, so only the first job has it, and lists the others.
        params[0]["jobs"] = [{"job_id": id, "target": label} for id, label in zip(ids, labels, strict=True)]
        with unit_of_work(resources.engine) as registry:
            there = registry.tasks.hold([target.id for target in targets])
            for place, target in enumerate(targets):
                if target.id not in there:
                    raise unknown_task(request.targets[place], f"targets[{place}]")
                bearer = identity if place == 0 else replace(identity, key=None)
                insert_job(registry, JobKind.DISTANCES, params[place], bearer, id=ids[place])
        return params[0]

    jobs: list[dict[str, Any]] = once(resources.engine, identity, submit)["jobs"]
    return jobs


def _require_different(task_ids: Sequence[str], field: str) -> None:
    for place, task_id in enumerate(task_ids):
        first = task_ids.index(task_id)
        if first != place:
            raise RepeatedTaskError(f"this is the same task as {field}[{first}]", field=f"{field}[{place}]")
