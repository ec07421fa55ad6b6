"""The most frequent polls, each as one query for a `QuickReader`: a job, and a recommendation with its job and webhook.

A row holds everything that the response depends on, with JSON as text: equal rows give equal responses.
"""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import JSON, Enum, Text, bindparam, cast, select

from worker.registry.tables import JobRow, RecommendationRow, WebhookDeliveryRow, WebhookRow
from worker.registry.webhooks import WebhookStatus, host_of, newest_delivery

Row = Sequence[Any]

_JOB = (
    *("id", "state", "kind", "stage", "priority", "attempt", "failures", "max_attempts"),
    *("cancel_requested_at", "created_at", "started_at", "finished_at", "progress", "params", "result", "error"),
)
# The columns that a recommendation's answer contains: fewer make a faster row.
_ITS_JOB = ("state", "stage", "finished_at", "progress", "error")
_RECOMMENDATION = ("id", "name", "job_id", "task_id", "created_at", "request", "document")
_DELIVERY = ("id", "state", "attempts", "last_status", "last_error", "due_at", "ended_at")
_JSON = {"progress", "params", "result", "error", "request", "document"}


def _columns(table: Any, names: Sequence[str]) -> list[Any]:
    columns = [getattr(table, name) for name in names]
    return [cast(column, Text) if isinstance(column.type, JSON | Enum) else column for column in columns]


JOB = select(*_columns(JobRow, _JOB)).where(JobRow.id == bindparam("id"))
"""The row of `job_of`, by the job's id."""

RECOMMENDATION = (
    select(
        *_columns(RecommendationRow, _RECOMMENDATION),
        *_columns(JobRow, _ITS_JOB),
        *_columns(WebhookDeliveryRow, _DELIVERY),
        WebhookRow.url,
    )
    .join(JobRow, JobRow.id == RecommendationRow.job_id)
    .outerjoin(WebhookRow, WebhookRow.job_id == JobRow.id)
    .outerjoin(WebhookDeliveryRow, WebhookDeliveryRow.id == newest_delivery(WebhookRow.job_id))
    .where(RecommendationRow.id == bindparam("id"))
)
"""The row of `recommendation_of`, by the recommendation's id."""


def job_of(row: Row) -> JobRow:
    """The job as an object outside of any session, without the columns that only workers need."""
    return JobRow(**_values(_JOB, row))


def recommendation_of(row: Row) -> tuple[RecommendationRow, JobRow, WebhookStatus | None]:
    """The recommendation, its job and the state of its webhook, in the same way."""
    *values, url = row
    job, delivery = len(_RECOMMENDATION), len(_RECOMMENDATION) + len(_ITS_JOB)
    recommendation = RecommendationRow(**_values(_RECOMMENDATION, values[:job]))
    its_job = JobRow(**_values(_ITS_JOB, values[job:delivery]))
    if url is None:
        return recommendation, its_job, None
    sent = _values(_DELIVERY, values[delivery:])
    return recommendation, its_job, WebhookStatus(host_of(url), WebhookDeliveryRow(**sent) if sent["id"] else None)


def _values(names: Sequence[str], row: Row) -> dict[str, Any]:
    return {
        name: json.loads(value) if name in _JSON and value is not None else value
        for name, value in zip(names, row, strict=True)
    }
