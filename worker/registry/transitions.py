"""The transitions of a job's state: each one is stored with its event and its tally, and clears the lease."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.registry.base import DatabaseNow
from worker.registry.counters import Happening, count
from worker.registry.errors import FenceLostError, NotFoundError
from worker.registry.job_models import Job, JobEvent
from worker.registry.states import JobState
from worker.registry.webhooks import announce

STEP = 0.01
"""How much further, as a fraction of the whole job, an attempt has to get so that its loss does not count."""


class JobMoves:
    """The steps of every transition of a job; the job's row is locked first."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def _give_up(self, job: Job, *, reason: str, counts_as_failure: bool, delay_seconds: float = 0.0) -> JobState:
        """Queue the job again, or end it: cancelled if that was requested, failed after too many attempts.

        A failure counts only if the attempt got no further than those before it.
        """
        got_further, job.furthest = _compare_progress(job)
        counts_as_failure = counts_as_failure and not got_further
        if counts_as_failure:
            job.failures += 1
            count(self._session, Happening.FAILED_ATTEMPT, job.kind)
        if job.cancel_requested_at is not None:
            self._move(job, JobState.CANCELLED, reason)
        elif counts_as_failure and job.failures >= job.max_attempts:
            job.error = {
                "code": "attempts_exhausted",
                "detail": f"gave up after {job.failures} failed attempts; the last one: {reason}",
                "field": None,
                "origin": None,
            }
            self._move(job, JobState.FAILED, reason)
        else:
            self._queue(job, reason, delay_seconds)
        return job.state

    def _queue(self, job: Job, reason: str, delay_seconds: float = 0.0) -> None:
        job.run_after = self._now() + delay_seconds
        job.published_at = None
        job.finished_at = None
        self._move(job, JobState.QUEUED, reason)

    def _move(self, job: Job, state: JobState, reason: str | None = None) -> None:
        job.state = state
        job.lease_owner = None
        job.lease_until = None
        job.progress_seq += 1
        if state.ended:
            job.finished_at = self._now()
        self._session.flush()
        self._add_state_event(job, reason)
        if state.ended:
            count(self._session, Happening.END, job.kind, state.value)
            announce(self._session, job)
        if state is JobState.FAILED:
            count(self._session, Happening.FAILURE, job.kind, str((job.error or {}).get("code", "unknown")))

    def _add_state_event(self, job: Job, reason: str | None = None) -> None:
        data: dict[str, Any] = {"state": job.state.value, "attempt": job.attempt}
        self._add_event(job.id, "state", data if reason is None else {**data, "reason": reason})

    def _add_event(self, job_id: str, kind: str, data: dict[str, Any]) -> None:
        self._session.add(JobEvent(job_id=job_id, kind=kind, data=data))
        self._session.flush()

    def _now(self) -> float:
        return self._session.execute(select(DatabaseNow())).scalar_one()

    def _locked(self, job_id: str) -> Job:
        job = self._session.scalar(
            select(Job).where(Job.id == job_id).with_for_update(), execution_options={"populate_existing": True}
        )
        if job is None:
            raise NotFoundError("job", job_id)
        return job

    def _locked_under(self, job_id: str, fence: int) -> Job:
        job = self._session.scalar(
            select(Job).where(*held(job_id, fence)).with_for_update(), execution_options={"populate_existing": True}
        )
        if job is None:
            raise FenceLostError(job_id)
        return job


def _compare_progress(job: Job) -> tuple[bool, float]:
    """Whether the ending attempt got further than every earlier one, and the largest fraction reached so far.

    The fraction of the whole job is compared: results that an earlier attempt stored are restored, and count once. An
    attempt that ended before its first stage reached nothing; the row still has the progress of the one before.
    """
    reached: float = (job.progress or {}).get("fraction") or 0.0 if job.stage is not None else 0.0
    furthest = job.furthest or 0.0
    return reached >= furthest + STEP, max(reached, furthest)


def held(job_id: str, fence: int) -> tuple[Any, ...]:
    """The conditions under which an attempt still holds its job."""
    return Job.id == job_id, Job.attempt == fence, Job.state == JobState.RUNNING
