"""Webhooks: queued in the transaction that ends a job, sent until the receiver accepts them or the attempts run out.

The message follows Standard Webhooks (https://www.standardwebhooks.com): its id stays the same for all attempts.
"""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, exists, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from worker.registry.base import DatabaseNow, new_id
from worker.registry.counters import Happening, count
from worker.registry.states import DeliveryState, JobState
from worker.registry.tables import JobRow, RecommendationRow, WebhookDeliveryRow, WebhookRow

LONGEST_ERROR = 255
_PENDING = WebhookDeliveryRow.state == DeliveryState.PENDING


def announce(session: Session, job: JobRow) -> None:
    """Queue the delivery of the job's end, if the job has a webhook; call it in the transaction that ends the job."""
    if session.get(WebhookRow, job.id) is None:
        return
    asked = session.scalars(select(RecommendationRow).where(RecommendationRow.job_id == job.id)).one()
    body = json.dumps(_message(job, asked), ensure_ascii=False, separators=(",", ":"))
    session.add(WebhookDeliveryRow(id=f"msg_{new_id()}", job_id=job.id, body=body, state=DeliveryState.PENDING))
    session.flush()


def _message(job: JobRow, asked: RecommendationRow) -> dict[str, Any]:
    """The message: enough to decide whether to fetch the document. `service.schemas.webhooks` describes it."""
    assert job.finished_at is not None
    return {
        "type": f"recommendation.{job.state}",
        "timestamp": datetime.fromtimestamp(job.finished_at, UTC).isoformat().replace("+00:00", "Z"),
        "data": {
            "id": asked.id,
            "job_id": job.id,
            "name": asked.name,
            "state": job.state.value,
            "verdict": asked.document.get("verdict"),
            "architecture_id": (asked.document.get("architecture") or {}).get("id"),
            "error_code": (job.error or {}).get("code"),
            "path": f"/v1/recommendations/{asked.id}",
        },
    }


@dataclass(frozen=True)
class ClaimedDelivery:
    """One attempt: the message, its URL and its time; `attempt` counts from 1."""

    id: str
    job_id: str
    url: str = field(repr=False)
    secret: str = field(repr=False)
    body: str
    attempt: int
    timestamp: int

    @property
    def host(self) -> str:
        """The only part of the URL that may be shown: the rest may contain credentials."""
        return host_of(self.url)


@dataclass(frozen=True)
class WebhookStatus:
    """The state of a job's webhook; after several deliveries (the job was retried) that of the last one."""

    host: str
    delivery: WebhookDeliveryRow | None


class Webhooks:
    """The rows of `webhooks` and `webhook_deliveries`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def insert(self, job_id: str, url: str, secret: str) -> None:
        """Register the URL that receives the ends of this job."""
        self._session.add(WebhookRow(job_id=job_id, url=url, secret=secret))
        self._session.flush()

    def status(self, job_id: str) -> WebhookStatus | None:
        """The state of the job's webhook; None if it has none."""
        webhook = self._session.get(WebhookRow, job_id)
        if webhook is None:
            return None
        newest = select(WebhookDeliveryRow).where(WebhookDeliveryRow.id == newest_delivery(job_id))
        return WebhookStatus(host_of(webhook.url), self._session.scalars(newest).one_or_none())

    def is_due(self) -> bool:
        """Whether any delivery can be claimed."""
        due = select(WebhookDeliveryRow.id).where(_PENDING, WebhookDeliveryRow.due_at <= DatabaseNow())
        return self._session.scalar(due.limit(1)) is not None

    def claim(self, lease_seconds: float) -> ClaimedDelivery | None:
        """Claim the delivery that has been due longest; if the process dies, it is due again after the lease."""
        now = DatabaseNow()
        delivery = self._session.scalar(
            select(WebhookDeliveryRow)
            .where(_PENDING, WebhookDeliveryRow.due_at <= now)
            .order_by(WebhookDeliveryRow.due_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        if delivery is None:
            return None
        at = self._session.execute(select(now)).scalar_one()
        delivery.attempts += 1
        delivery.due_at = at + lease_seconds
        self._session.flush()
        webhook = self._session.get_one(WebhookRow, delivery.job_id)
        return ClaimedDelivery(
            id=delivery.id,
            job_id=delivery.job_id,
            url=webhook.url,
            secret=webhook.secret or "",
            body=delivery.body,
            attempt=delivery.attempts,
            timestamp=int(at),
        )

    def delivered(self, claimed: ClaimedDelivery, status: int) -> None:
        """Record that the receiver accepted it, even if another process is trying by now."""
        values = {"state": DeliveryState.DELIVERED, "ended_at": DatabaseNow(), "last_status": status}
        if self._update(claimed, {**values, "last_error": None}, fenced=False):
            self._over(claimed, "delivered")

    def put_off(self, claimed: ClaimedDelivery, *, status: int | None, error: str, seconds: float) -> None:
        """Record a failed attempt; the next may begin in this many seconds, unless one has begun already."""
        values = {"due_at": DatabaseNow() + seconds, "last_status": status, "last_error": error[:LONGEST_ERROR]}
        if self._update(claimed, values, fenced=True):
            self._count(claimed, "failed")

    def give_up(self, claimed: ClaimedDelivery, *, status: int | None, error: str) -> None:
        """Record that the last attempt failed."""
        values = {"state": DeliveryState.GIVEN_UP, "ended_at": DatabaseNow(), "last_status": status}
        if self._update(claimed, {**values, "last_error": error[:LONGEST_ERROR]}, fenced=True):
            self._over(claimed, "given_up")

    def _update(self, claimed: ClaimedDelivery, values: dict[str, Any], *, fenced: bool) -> bool:
        which = [WebhookDeliveryRow.id == claimed.id, _PENDING]
        if fenced:
            which.append(WebhookDeliveryRow.attempts == claimed.attempt)
        updated = update(WebhookDeliveryRow).where(*which).values(values).returning(WebhookDeliveryRow.id)
        return self._session.execute(updated).one_or_none() is not None

    def _over(self, claimed: ClaimedDelivery, outcome: str) -> None:
        self._count(claimed, outcome)
        # A failed or cancelled job may be retried, and its next end must be signed too.
        succeeded = select(JobRow.id).where(JobRow.id == claimed.job_id, JobRow.state == JobState.SUCCEEDED)
        more = exists().where(WebhookDeliveryRow.job_id == WebhookRow.job_id, _PENDING)
        self._session.execute(update(WebhookRow).where(WebhookRow.job_id.in_(succeeded), ~more).values(secret=None))

    def _count(self, claimed: ClaimedDelivery, outcome: str) -> None:
        count(self._session, Happening.WEBHOOK, self._session.get_one(JobRow, claimed.job_id).kind, outcome)


def newest_delivery(job_id: InstrumentedAttribute[str] | str) -> ColumnElement[str]:
    """The id of the job's last delivery, as part of a statement."""
    sent = aliased(WebhookDeliveryRow)
    newest = select(sent.id).where(sent.job_id == job_id).order_by(sent.created_at.desc(), sent.id)
    return newest.limit(1).scalar_subquery()


def host_of(url: str) -> str:
    """The host of a URL, with the port if the URL has one."""
    return urlsplit(url).netloc
