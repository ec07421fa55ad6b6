"""Which worker processes there are, when each was seen last, and what it works on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from worker.registry.base import DatabaseNow
from worker.registry.first_wins import insert_into
from worker.registry.job_models import Job
from worker.registry.states import JobState
from worker.registry.worker_models import WorkerRow

MISSED_HEARTBEATS = 3
"""After so many, a worker counts as gone."""

REMEMBERED_SECONDS = 86400.0
"""How long a worker that went without a word is still listed."""


@dataclass(frozen=True)
class SeenWorker:
    """A worker with the jobs that it holds.

    Attributes:
        row: as it told of itself.
        alive: whether it was seen within three of its heartbeats.
        jobs: those whose lease it has, by id.
    """

    row: WorkerRow
    alive: bool
    jobs: Sequence[Job]


class Workers:
    """The rows of `workers`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def beat(self, **columns: Any) -> None:
        """Tell that a worker is there now, for the first time or again; one that was forgotten is known anew."""
        insert = insert_into(self._session, WorkerRow).values(columns)
        again = {"seen_at": DatabaseNow(), "gpus": insert.excluded.gpus}
        self._session.execute(insert.on_conflict_do_update(index_elements=["id"], set_=again))

    def leave(self, worker_id: str) -> None:
        """Forget a worker that ended in order."""
        self._session.execute(delete(WorkerRow).where(WorkerRow.id == worker_id))

    def forget_lost(self) -> int:
        """Forget those that were not seen for a day; how many that were."""
        lost = delete(WorkerRow).where(WorkerRow.seen_at < DatabaseNow() - REMEMBERED_SECONDS)
        return len(self._session.scalars(lost.returning(WorkerRow.id)).all())

    def list(self) -> list[SeenWorker]:
        """Every worker that is not forgotten, the newest first."""
        now = self._session.execute(select(DatabaseNow())).scalar_one()
        rows = self._session.scalars(select(WorkerRow).order_by(WorkerRow.started_at.desc(), WorkerRow.id)).all()
        running = self._session.scalars(select(Job).where(Job.state == JobState.RUNNING).order_by(Job.id)).all()
        return [
            SeenWorker(
                row=row,
                alive=now - row.seen_at <= MISSED_HEARTBEATS * row.heartbeat_seconds,
                jobs=[job for job in running if (job.lease_owner or "").startswith(f"{row.name}:")],
            )
            for row in rows
        ]
