"""Figures about the whole installation; every process reads the same ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from worker.registry import idle_studies
from worker.registry.base import DatabaseNow
from worker.registry.counters import TallyFigure, tallies
from worker.registry.states import DeliveryState, JobState
from worker.registry.tables import JobRow, WebhookDeliveryRow


@dataclass(frozen=True)
class QueueFigures:
    """The queue at one moment.

    Attributes:
        jobs: the number of jobs of each kind and state.
        oldest_due_seconds: how long the oldest queued job of each kind has been due without being claimed.
        tallies: counts of events since the database was created.
        webhooks_pending: ends of jobs that have not been delivered to their receivers yet.
        oldest_due_webhook_seconds: how long the oldest delivery that is due has been waiting.
    """

    jobs: Mapping[tuple[str, JobState], int]
    oldest_due_seconds: Mapping[str, float]
    tallies: Sequence[TallyFigure]
    webhooks_pending: int = 0
    oldest_due_webhook_seconds: float = 0.0


class Figures:
    """Numbers about the rows of `jobs` and `tallies`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def jobs(self) -> dict[tuple[str, JobState], int]:
        """The number of jobs of each kind and state."""
        counted = select(JobRow.kind, JobRow.state, func.count()).group_by(JobRow.kind, JobRow.state)
        return {(kind, state): number for kind, state, number in self._session.execute(counted)}

    def queue(self) -> QueueFigures:
        """The queue now; every query reads an index or a table of a few rows."""
        now = self._session.execute(select(DatabaseNow())).scalar_one()
        due = self._session.execute(
            select(JobRow.kind, func.min(JobRow.run_after))
            # An idle study waits for as long as other jobs run: its age is not a sign of too few workers.
            .where(JobRow.state == JobState.QUEUED, JobRow.run_after <= now, JobRow.priority > idle_studies.PRIORITY)
            .group_by(JobRow.kind)
        )
        pending, due_since = self._session.execute(
            select(func.count(), func.min(WebhookDeliveryRow.due_at)).where(
                WebhookDeliveryRow.state == DeliveryState.PENDING
            )
        ).one()
        return QueueFigures(
            jobs=self.jobs(),
            oldest_due_seconds={kind: max(0.0, now - since) for kind, since in due},
            tallies=tallies(self._session),
            webhooks_pending=pending,
            oldest_due_webhook_seconds=0.0 if due_since is None else max(0.0, now - due_since),
        )
