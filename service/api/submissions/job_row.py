"""Inserts the row of a job, which the dispatcher publishes."""

from typing import Any

from service.api.submissions.idempotency import RequestIdentity
from worker.process.logs import bound_fields
from worker.process.tracing import traceparent
from worker.registry import JobKind, Registry


def insert_job(
    registry: Registry,
    kind: JobKind,
    params: dict[str, Any],
    identity: RequestIdentity,
    priority: int = 0,
    id: str | None = None,
) -> str:
    """Queues a job for this request; returns its id."""
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
