"""The worker processes, the time of their last heartbeat, and their jobs."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from worker.registry.base import DatabaseNow
from worker.registry.states import JobState
from worker.registry.tables import JobRow, WorkerRow
from worker.registry.upsert import insert_into

MISSED_HEARTBEATS = 3
"""A worker counts as lost after this many missed heartbeats."""

REMEMBERED_SECONDS = 86400.0
"""How long a lost worker is still listed."""

_CLAIMED = (JobState.RUNNING, JobState.SUCCEEDED, JobState.FAILED)
"""The states of a job that a worker has claimed."""


@dataclass(frozen=True)
class SeenWorker:
    """A worker with the jobs that it holds.

    Attributes:
        row: the worker's own report.
        alive: whether it was seen within three of its heartbeats.
        jobs: those whose lease it has, by id.
    """

    row: WorkerRow
    alive: bool
    jobs: Sequence[JobRow]


class Workers:
    """The rows of `workers`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def beat(self, **columns: Any) -> None:
        """Record a heartbeat of a worker; a new worker, or one that was deleted, is inserted."""
        insert = insert_into(self._session, WorkerRow).values(columns)
        again = {"seen_at": DatabaseNow(), "gpus": insert.excluded.gpus}
        self._session.execute(insert.on_conflict_do_update(index_elements=["id"], set_=again))

    def leave(self, worker_id: str) -> None:
        """Delete a worker that shut down cleanly."""
        self._session.execute(delete(WorkerRow).where(WorkerRow.id == worker_id))

    def forget_lost(self) -> int:
        """Delete the workers that were not seen for a day; return their number."""
        lost = delete(WorkerRow).where(WorkerRow.seen_at < DatabaseNow() - REMEMBERED_SECONDS)
        return len(self._session.scalars(lost.returning(WorkerRow.id)).all())

    def have_reported(self) -> bool:
        """Whether a worker is listed, or has claimed a job before; one that left without a job leaves no trace."""
        listed = select(WorkerRow.id).exists()
        claimed = select(JobRow.id).where(JobRow.state.in_(_CLAIMED)).exists()
        return bool(self._session.execute(select(or_(listed, claimed))).scalar_one())

    def devices(self) -> list[str]:
        """The devices of all living workers."""
        living = WorkerRow.seen_at >= DatabaseNow() - MISSED_HEARTBEATS * WorkerRow.heartbeat_seconds
        return [*chain.from_iterable(self._session.scalars(select(WorkerRow.devices).where(living)))]

    def list(self) -> list[SeenWorker]:
        """Every listed worker, the newest first."""
        now = self._session.execute(select(DatabaseNow())).scalar_one()
        rows = self._session.scalars(select(WorkerRow).order_by(WorkerRow.started_at.desc(), WorkerRow.id)).all()
        running = self._session.scalars(
            select(JobRow).where(JobRow.state == JobState.RUNNING).order_by(JobRow.id)
        ).all()
        return [
            SeenWorker(
                row=row,
                alive=now - row.seen_at <= MISSED_HEARTBEATS * row.heartbeat_seconds,
                jobs=[job for job in running if (job.lease_owner or "").startswith(f"{row.name}:")],
            )
            for row in rows
        ]
