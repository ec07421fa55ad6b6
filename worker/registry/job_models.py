"""Tables of the queue: `jobs`, which is also the outbox, and the append-only `job_events`."""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Double,
    Enum,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from worker.registry.base import JSON_OR_NULL, Base, DatabaseNow, new_id
from worker.registry.states import JobState

MAX_ATTEMPTS = 3
"""A job fails after this many attempts that got no further than the ones before."""

_STATE = Enum(JobState, native_enum=False, length=16, values_callable=lambda states: [state.value for state in states])


class Job(Base):
    """One piece of work. `attempt` is the fence: it only grows, and every write of a runner names it.

    `furthest` is the largest fraction of the job, in [0, 1], that any unsuccessful attempt has reached.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint("(state = 'running') = (lease_until IS NOT NULL)", name="lease_while_running"),
        UniqueConstraint("owner", "idempotency_key"),
        Index("ix_jobs_due", "state", "run_after"),
        Index("ix_jobs_newest", "created_at", "id"),
        Index("ix_jobs_newest_by_kind", "kind", "created_at", "id"),
        Index("ix_jobs_newest_by_state", "state", "created_at", "id"),
        Index("ix_jobs_newest_by_kind_and_state", "kind", "state", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(String(32))
    params: Mapped[dict[str, Any]] = mapped_column(JSON)
    owner: Mapped[str] = mapped_column(String(64))
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    request_hash: Mapped[str | None] = mapped_column(String(64))
    request_id: Mapped[str | None] = mapped_column(String(64))
    traceparent: Mapped[str | None] = mapped_column(String(64))
    state: Mapped[JobState] = mapped_column(_STATE, default=JobState.QUEUED)
    priority: Mapped[int] = mapped_column(Integer, default=0)
    run_after: Mapped[float] = mapped_column(Double, default=DatabaseNow())
    attempt: Mapped[int] = mapped_column(Integer, default=0)
    failures: Mapped[int] = mapped_column(Integer, default=0)
    max_attempts: Mapped[int] = mapped_column(Integer, default=MAX_ATTEMPTS)
    lease_owner: Mapped[str | None] = mapped_column(String(255))
    lease_until: Mapped[float | None] = mapped_column(Double)
    cancel_requested_at: Mapped[float | None] = mapped_column(Double)
    published_at: Mapped[float | None] = mapped_column(Double)
    micro_batch: Mapped[int | None] = mapped_column(Integer)
    killed_in: Mapped[str | None] = mapped_column(String(32))
    stage: Mapped[str | None] = mapped_column(String(32))
    progress: Mapped[dict[str, Any] | None] = mapped_column(JSON_OR_NULL)
    progress_seq: Mapped[int] = mapped_column(Integer, default=0)
    progressed_at: Mapped[float | None] = mapped_column(Double)
    furthest: Mapped[float | None] = mapped_column(Double)
    checkpoint: Mapped[dict[str, Any] | None] = mapped_column(JSON_OR_NULL)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON_OR_NULL)
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON_OR_NULL)
    created_at: Mapped[float] = mapped_column(Double, default=DatabaseNow())
    started_at: Mapped[float | None] = mapped_column(Double)
    finished_at: Mapped[float | None] = mapped_column(Double)


class JobEvent(Base):
    """An event of a job, written in the transaction that caused it."""

    __tablename__ = "job_events"
    __table_args__ = (Index("ix_job_events_job_id_id", "job_id", "id"),)

    # SQLite numbers rows by itself only in a column of type INTEGER.
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(32))
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[float] = mapped_column(Double, default=DatabaseNow())
