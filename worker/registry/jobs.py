"""The queue for requests and the dispatcher: insert, read, request cancellation, retry, publish."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.exc import IntegrityError

from worker.registry.base import DatabaseNow, new_id
from worker.registry.errors import (
    DuplicateRequestError,
    IdempotencyKeyReusedError,
    JobNotRetriableError,
    NotFoundError,
)
from worker.registry.job_models import Job, JobEvent
from worker.registry.leases import LeasedJobs
from worker.registry.pages import newest_first
from worker.registry.states import JobState
from worker.registry.tasks import Tasks


class Jobs(LeasedJobs):
    """The rows of `jobs` and `job_events`."""

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
    ) -> Job:
        """Queue a job; a dispatcher publishes it after the transaction has committed.

        `id` is drawn, unless the caller needs to know it before the job is stored.

        Raises:
            DuplicateRequestError: another process has just inserted a job of this owner under this idempotency key.
        """
        job = Job(
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
        try:
            with self._session.begin_nested():
                self._session.add(job)
        except IntegrityError as error:
            if idempotency_key is None:
                raise
            raise DuplicateRequestError(idempotency_key) from error
        self._add_state_event(job)
        return job

    def find_request(self, owner: str, idempotency_key: str, request_hash: str) -> Job | None:
        """The job that an equal request under this key created earlier, or None.

        Raises:
            IdempotencyKeyReusedError: the key was used for another request.
        """
        job = self._session.scalar(select(Job).where(Job.owner == owner, Job.idempotency_key == idempotency_key))
        if job is not None and job.request_hash != request_hash:
            raise IdempotencyKeyReusedError(idempotency_key)
        return job

    def get(self, job_id: str) -> Job:
        """The job as it is now.

        Raises:
            NotFoundError: no such job.
        """
        job = self._session.get(Job, job_id, populate_existing=True)
        if job is None:
            raise NotFoundError("job", job_id)
        return job

    def request_ids(self, job_ids: Sequence[str]) -> dict[str, str | None]:
        """The request that created each of these jobs; None if it is unknown."""
        return dict(self._session.execute(select(Job.id, Job.request_id).where(Job.id.in_(job_ids))).all())

    def states(self, job_ids: Sequence[str]) -> dict[str, JobState]:
        """The states of these jobs by their ids."""
        return dict(self._session.execute(select(Job.id, Job.state).where(Job.id.in_(job_ids))).all())

    def list(
        self,
        *,
        state: JobState | str | None = None,
        kind: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> list[Job]:
        """Jobs, newest first; the page after the job with the id `after`."""
        statement = select(Job)
        if state is not None:
            statement = statement.where(Job.state == JobState(state))
        if kind is not None:
            statement = statement.where(Job.kind == kind)
        return [*self._session.scalars(newest_first(statement, Job, limit=limit, after=after))]

    def waiting(self, limit: int) -> Sequence[Job]:
        """The queued jobs in the order in which workers claim them."""
        statement = select(Job).where(Job.state == JobState.QUEUED)
        return self._session.scalars(statement.order_by(Job.priority.desc(), Job.created_at, Job.id).limit(limit)).all()

    def request_cancel(self, job_id: str) -> Job:
        """Cancel a queued job at once, request the end of a running one; a job that has ended does not change.

        Raises:
            NotFoundError: no such job.
        """
        job = self._locked(job_id)
        if job.state is JobState.QUEUED:
            self._move(job, JobState.CANCELLED, "cancelled before it began")
        elif job.state is JobState.RUNNING and job.cancel_requested_at is None:
            job.cancel_requested_at = self._now()
            self._session.flush()
        return job

    def retry(self, job_id: str) -> Job:
        """Queue a failed or cancelled job again; it resumes from its stored results.

        Raises:
            NotFoundError: no such job.
            JobNotRetriableError: the job is queued, running or succeeded, or its task was deleted.
        """
        job = self._locked(job_id)
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
        self._queue(job, "retried")
        return job

    def due(self, republish_seconds: float, limit: int = 100) -> Sequence[str]:
        """Ids of queued jobs to publish now: never published, or published too long ago; most urgent first."""
        now = DatabaseNow()
        return self._session.scalars(
            select(Job.id)
            .where(
                Job.state == JobState.QUEUED,
                Job.run_after <= now,
                or_(Job.published_at.is_(None), Job.published_at < now - republish_seconds),
            )
            .order_by(Job.priority.desc(), Job.created_at, Job.id)
            .limit(limit)
        ).all()

    def now(self) -> float:
        """The database's clock."""
        return self._now()

    def mark_published(self, job_ids: Sequence[str], *, due_at: float) -> None:
        """Record that the broker accepted the messages for these jobs, which were due at that time.

        A job that was claimed and queued again in the meantime stays unmarked: its message is used up, and marking it
        would delay the next one.
        """
        self._session.execute(
            update(Job)
            .where(Job.id.in_(job_ids), Job.state == JobState.QUEUED, Job.run_after <= due_at)
            .values(published_at=DatabaseNow()),
            execution_options={"synchronize_session": False},
        )

    def events_after(self, job_id: str, after_id: int = 0, limit: int = 500) -> Sequence[JobEvent]:
        """The job's events after the event `after_id`, in order."""
        return self._session.scalars(
            select(JobEvent).where(JobEvent.job_id == job_id, JobEvent.id > after_id).order_by(JobEvent.id).limit(limit)
        ).all()

    def latest_events(self, job_id: str, limit: int) -> Sequence[JobEvent]:
        """The job's latest events, the latest first."""
        return self._session.scalars(
            select(JobEvent).where(JobEvent.job_id == job_id).order_by(JobEvent.id.desc()).limit(limit)
        ).all()

    def events_of_kinds(self, job_id: str, kinds: Sequence[str], limit: int) -> Sequence[JobEvent]:
        """The latest events of these kinds, in the order in which they happened."""
        latest = (
            select(JobEvent)
            .where(JobEvent.job_id == job_id, JobEvent.kind.in_(kinds))
            .order_by(JobEvent.id.desc())
            .limit(limit)
        )
        return self._session.scalars(latest).all()[::-1]
