"""The most frequent polls, each as one query for a `QuickReader`: a job, its new events, and a recommendation.

A row holds everything that the response depends on, with JSON as text: equal rows give equal responses.
"""

from collections.abc import Sequence

from sqlalchemy import Integer, bindparam, select

from worker.registry.columns import Columns, Row
from worker.registry.states import JobState
from worker.registry.tables import JobEventRow, JobRow, RecommendationRow, WebhookDeliveryRow, WebhookRow
from worker.registry.webhooks import WebhookStatus, host_of, newest_delivery

JOB_COLUMNS = Columns(
    JobRow,
    *("id", "state", "kind", "stage", "priority", "attempt", "failures", "max_attempts"),
    *("cancel_requested_at", "created_at", "started_at", "finished_at", "progress", "params", "result", "error"),
)
"""The columns that a job's document contains."""
# The columns that a recommendation's answer contains.
_ITS_JOB = Columns(JobRow, "state", "stage", "finished_at", "progress", "error")
_RECOMMENDATION = Columns(RecommendationRow, "id", "name", "job_id", "task_id", "created_at", "request", "document")
_EVENT = Columns(JobEventRow, "id", "kind", "data")
_DELIVERY = Columns(WebhookDeliveryRow, *("id", "state", "attempts", "last_status", "last_error", "due_at", "ended_at"))

JOB = select(*JOB_COLUMNS.selected).where(JobRow.id == bindparam("id"))
"""The row of `job_of`, by the job's id."""

RECOMMENDATION = (
    select(*_RECOMMENDATION.selected, *_ITS_JOB.selected, *_DELIVERY.selected, WebhookRow.url)
    .join(JobRow, JobRow.id == RecommendationRow.job_id)
    .outerjoin(WebhookRow, WebhookRow.job_id == JobRow.id)
    .outerjoin(WebhookDeliveryRow, WebhookDeliveryRow.id == newest_delivery(WebhookRow.job_id))
    .where(RecommendationRow.id == bindparam("id"))
)
"""The row of `recommendation_of`, by the recommendation's id."""

EVENTS = (
    select(*Columns(JobRow, "state").selected, *_EVENT.selected)
    .outerjoin(JobEventRow, (JobEventRow.job_id == JobRow.id) & (JobEventRow.id > bindparam("after")))
    .where(JobRow.id == bindparam("id"))
    .order_by(JobEventRow.id)
    .limit(bindparam("limit", type_=Integer()))
)
"""The rows of `events_of`, by the job's id: at most `limit` events after the one numbered `after`."""


def job_of(row: Row) -> JobRow:
    """The job as an object outside of any session, without the columns that only workers need."""
    return JOB_COLUMNS.entity(row)


def recommendation_of(row: Row) -> tuple[RecommendationRow, JobRow, WebhookStatus | None]:
    """The recommendation, its job and the state of its webhook, in the same way."""
    *values, url = row
    job, delivery = len(_RECOMMENDATION), len(_RECOMMENDATION) + len(_ITS_JOB)
    recommendation = _RECOMMENDATION.entity(values[:job])
    its_job = _ITS_JOB.entity(values[job:delivery])
    if url is None:
        return recommendation, its_job, None
    sent = _DELIVERY.entity(values[delivery:])
    return recommendation, its_job, WebhookStatus(host_of(url), sent if sent.id else None)


def events_of(rows: Sequence[Row]) -> tuple[JobState, list[JobEventRow]]:
    """The state of the job, and its events in order; `rows` has one without an event where none is left."""
    state = JobState(rows[0][0])
    return state, [_EVENT.entity(event) for _, *event in rows if event[0] is not None]
