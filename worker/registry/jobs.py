"""The queue for requests and the dispatcher: insert, read, request cancellation, retry, publish."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from worker.errors import DuplicateRequestError, IdempotencyKeyReusedError, JobNotRetriableError, NotFoundError
from worker.registry.base import DatabaseNow, new_id
from worker.registry.pages import newest_first
from worker.registry.states import JobState
from worker.registry.tables import JobEventRow, JobRow
from worker.registry.tasks import Tasks
from worker.registry.transitions import Transitions


class Jobs:
    """The rows of `jobs` and `job_events`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._transitions = Transitions(session)

    def insert(
        self,
        kind: str,
        params: dict[str, Any],
        *,
        owner: str = "local",
        priority: int = 0,
        idempotency_key: str | None = None,
        request_hash: str | None = None,
        request_id: str | None = None,
        traceparent: str | None = None,
        id: str | None = None,
    ) -> JobRow:
        """Queue a job; a dispatcher publishes it after the transaction has committed.

        `id` is drawn, unless the caller needs to know it before the job is stored.

        Raises:
            DuplicateRequestError: another process has just inserted a job of this owner under this idempotency key. The
                transaction cannot continue.
        """
        job = JobRow(
            id=id or new_id(),
            kind=kind,
            params=params,
            owner=owner,
            priority=priority,
            idempotency_key=idempotency_key,
            request_hash=request_hash,
            request_id=request_id,
            traceparent=traceparent,
        )
        self._session.add(job)
        try:
            self._session.flush()
        except IntegrityError as error:
            if idempotency_key is None:
                raise
            raise DuplicateRequestError(idempotency_key) from error
        self._transitions.add_state_event(job)
        return job

    def find_request(self, owner: str, idempotency_key: str, request_hash: str) -> JobRow | None:
        """The job that an equal request under this key created earlier, or None.

        Raises:
            IdempotencyKeyReusedError: the key was used for another request.
        """
        job = self._session.scalar(
            select(JobRow).where(JobRow.owner == owner, JobRow.idempotency_key == idempotency_key)
        )
        if job is not None and job.request_hash != request_hash:
            raise IdempotencyKeyReusedError(idempotency_key)
        return job

    def get(self, job_id: str) -> JobRow:
        """The job as it is now.

        Raises:
            NotFoundError: no such job.
        """
        job = self._session.get(JobRow, job_id, populate_existing=True)
        if job is None:
            raise NotFoundError("job", job_id)
        return job

    def request_ids(self, job_ids: Sequence[str]) -> dict[str, str | None]:
        """The request that created each of these jobs; None if it is unknown."""
        return dict(self._session.execute(select(JobRow.id, JobRow.request_id).where(JobRow.id.in_(job_ids))).all())

    def states(self, job_ids: Sequence[str]) -> dict[str, JobState]:
        """The states of these jobs by their ids."""
        return dict(self._session.execute(select(JobRow.id, JobRow.state).where(JobRow.id.in_(job_ids))).all())

    def list(
        self,
        *,
        state: JobState | str | None = None,
        kind: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> list[JobRow]:
        """Jobs, newest first; the page after the job with the id `after`."""
        statement = select(JobRow)
        if state is not None:
            statement = statement.where(JobRow.state == JobState(state))
        if kind is not None:
            statement = statement.where(JobRow.kind == kind)
        return [*self._session.scalars(newest_first(statement, JobRow, limit=limit, after=after))]

    def waiting(self, limit: int) -> Sequence[JobRow]:
        """The queued jobs in the order in which workers claim them."""
        statement = select(JobRow).where(JobRow.state == JobState.QUEUED)
        return self._session.scalars(
            statement.order_by(JobRow.priority.desc(), JobRow.created_at, JobRow.id).limit(limit)
        ).all()

    def request_cancel(self, job_id: str) -> JobRow:
        """Cancel a queued job at once, request the end of a running one; a job that has ended does not change.

        Raises:
            NotFoundError: no such job.
        """
        job = self._transitions.locked(job_id)
        if job.state is JobState.QUEUED:
            self._transitions.move(job, JobState.CANCELLED, "cancelled before it began")
        elif job.state is JobState.RUNNING and job.cancel_requested_at is None:
            job.cancel_requested_at = self._transitions.now()
            self._session.flush()
        return job

    def retry(self, job_id: str) -> JobRow:
        """Queue a failed or cancelled job again; it resumes from its stored results.

        Raises:
            NotFoundError: no such job.
            JobNotRetriableError: the job is queued, running or succeeded, or its task was deleted.
        """
        job = self._transitions.locked(job_id)
        if job.state not in (JobState.FAILED, JobState.CANCELLED):
            raise JobNotRetriableError(job_id, job.state)
        task_id = job.params.get("task_id") or job.params.get("target_task_id")
        if task_id is not None and not Tasks(self._session).hold([task_id]):
            raise JobNotRetriableError(job_id, f"{job.state}, and its task was deleted")
        job.failures = 0
        job.killed_in = None
        job.furthest = None
        job.error = None
        job.cancel_requested_at = None
        self._transitions.queue(job, "retried")
        return job

    def due(self, republish_seconds: float, limit: int = 100) -> Sequence[str]:
        """Ids of queued jobs to publish now: never published, or published too long ago; most urgent first."""
        now = DatabaseNow()
        return self._session.scalars(
            select(JobRow.id)
            .where(
                JobRow.state == JobState.QUEUED,
                JobRow.run_after <= now,
                or_(JobRow.published_at.is_(None), JobRow.published_at < now - republish_seconds),
            )
            .order_by(JobRow.priority.desc(), JobRow.created_at, JobRow.id)
            .limit(limit)
        ).all()

    def more_urgent_is_due(self, job_id: str) -> bool:
        """Whether a queued job of higher priority than this one could be claimed now."""
        own = select(JobRow.priority).where(JobRow.id == job_id).scalar_subquery()
        statement = select(JobRow.id).where(
            JobRow.state == JobState.QUEUED, JobRow.run_after <= DatabaseNow(), JobRow.priority > own
        )
        return self._session.scalar(statement.limit(1)) is not None

    def now(self) -> float:
        """The database's clock."""
        return self._transitions.now()

    def mark_published(self, job_ids: Sequence[str], *, due_at: float) -> None:
        """Record that the broker accepted the messages for these jobs, which were due at that time.

        A job that was claimed and queued again in the meantime stays unmarked: its message is used up, and marking it
        would delay the next one.
        """
        self._session.execute(
            update(JobRow)
            .where(JobRow.id.in_(job_ids), JobRow.state == JobState.QUEUED, JobRow.run_after <= due_at)
            .values(published_at=DatabaseNow()),
            execution_options={"synchronize_session": False},
        )

    def events_after(self, job_id: str, after_id: int = 0, limit: int = 500) -> Sequence[JobEventRow]:
        """The job's events after the event `after_id`, in order."""
        return self._session.scalars(
            select(JobEventRow)
            .where(JobEventRow.job_id == job_id, JobEventRow.id > after_id)
            .order_by(JobEventRow.id)
            .limit(limit)
        ).all()

    def latest_events(self, job_id: str, limit: int) -> Sequence[JobEventRow]:
        """The job's latest events, the latest first."""
        return self._session.scalars(
            select(JobEventRow).where(JobEventRow.job_id == job_id).order_by(JobEventRow.id.desc()).limit(limit)
        ).all()

    def events_of_kinds(self, job_id: str, kinds: Sequence[str], limit: int) -> Sequence[JobEventRow]:
        """The latest events of these kinds, in the order in which they happened."""
        latest = (
            select(JobEventRow)
            .where(JobEventRow.job_id == job_id, JobEventRow.kind.in_(kinds))
            .order_by(JobEventRow.id.desc())
            .limit(limit)
        )
        return self._session.scalars(latest).all()[::-1]
