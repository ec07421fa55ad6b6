"""The transitions of a job's state: each one is stored with its event and its tally, and clears the lease."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.errors import AttemptLostError, NotFoundError
from worker.registry.base import DatabaseNow
from worker.registry.counters import Happening, count
from worker.registry.states import JobState
from worker.registry.tables import JobEventRow, JobRow
from worker.registry.webhooks import announce

STEP = 0.01
"""How much further, as a fraction of the whole job, an attempt has to get so that its loss does not count."""

ADVANCED_IN = "advanced_in"
"""In a job's checkpoint: the attempt that computed beyond the checkpoint before."""


class Transitions:
    """The steps of every transition of a job; `locked` and `locked_under` lock its row first."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def give_up(self, job: JobRow, *, reason: str, counts_as_failure: bool, delay_seconds: float = 0.0) -> JobState:
        """Queue the job again, or end it: cancelled if that was requested, failed after too many attempts.

        A failure counts only if the attempt got no further than those before it, by the job's progress and by its
        checkpoint: in a long stage many attempts in a row may stay below `STEP`.
        """
        got_further, job.furthest = _compare_progress(job)
        advanced = (job.checkpoint or {}).get(ADVANCED_IN) == job.attempt
        counts_as_failure = counts_as_failure and not got_further and not advanced
        if counts_as_failure:
            job.failures += 1
            count(self._session, Happening.FAILED_ATTEMPT, job.kind)
        if job.cancel_requested_at is not None:
            self.move(job, JobState.CANCELLED, reason)
        elif counts_as_failure and job.failures >= job.max_attempts:
            job.error = {
                "code": "attempts_exhausted",
                "detail": f"gave up after {job.failures} failed attempts; the last one: {reason}",
                "field": None,
                "origin": None,
            }
            self.move(job, JobState.FAILED, reason)
        else:
            self.queue(job, reason, delay_seconds)
        return job.state

    def queue(self, job: JobRow, reason: str, delay_seconds: float = 0.0) -> None:
        """Queue the job; it becomes due after the delay."""
        job.run_after = self.now() + delay_seconds
        job.published_at = None
        job.finished_at = None
        self.move(job, JobState.QUEUED, reason)

    def move(self, job: JobRow, state: JobState, reason: str | None = None) -> None:
        """Change the state; an end is announced to webhooks."""
        job.state = state
        job.lease_owner = None
        job.lease_until = None
        job.progress_seq += 1
        if state.ended:
            job.finished_at = self.now()
        self._session.flush()
        self.add_state_event(job, reason)
        if state.ended:
            count(self._session, Happening.END, job.kind, state.value)
            announce(self._session, job)
        if state is JobState.FAILED:
            count(self._session, Happening.FAILURE, job.kind, str((job.error or {}).get("code", "unknown")))

    def add_state_event(self, job: JobRow, reason: str | None = None) -> None:
        """Append the job's current state to its history."""
        data: dict[str, Any] = {"state": job.state.value, "attempt": job.attempt}
        self.add_event(job.id, "state", data if reason is None else {**data, "reason": reason})

    def add_event(self, job_id: str, kind: str, data: dict[str, Any]) -> None:
        """Append to the job's history; the row is sent with the next statement of the transaction."""
        self._session.add(JobEventRow(job_id=job_id, kind=kind, data=data))

    def now(self) -> float:
        """The database's clock."""
        return self._session.execute(select(DatabaseNow())).scalar_one()

    def locked(self, job_id: str) -> JobRow:
        """The job, locked until the transaction ends.

        Raises:
            NotFoundError: no such job.
        """
        job = self._session.scalar(
            select(JobRow).where(JobRow.id == job_id).with_for_update(), execution_options={"populate_existing": True}
        )
        if job is None:
            raise NotFoundError("job", job_id)
        return job

    def locked_under(self, job_id: str, attempt: int) -> JobRow:
        """The job that is held by this attempt, locked until the transaction ends.

        Raises:
            AttemptLostError: the job is no longer held by this attempt.
        """
        job = self._session.scalar(
            select(JobRow).where(*held(job_id, attempt)).with_for_update(),
            execution_options={"populate_existing": True},
        )
        if job is None:
            raise AttemptLostError(job_id)
        return job


def _compare_progress(job: JobRow) -> tuple[bool, float]:
    """Whether the ending attempt got further than every earlier one, and the largest fraction reached so far.

    The fraction of the whole job is compared: results that an earlier attempt stored are restored, and count once. An
    attempt that ended before its first stage reached nothing; the row still has the progress of the one before.
    """
    reached: float = (job.progress or {}).get("fraction") or 0.0 if job.stage is not None else 0.0
    furthest = job.furthest or 0.0
    return reached >= furthest + STEP, max(reached, furthest)


def held(job_id: str, attempt: int) -> tuple[Any, ...]:
    """The conditions under which an attempt still holds its job."""
    return JobRow.id == job_id, JobRow.attempt == attempt, JobRow.state == JobState.RUNNING
