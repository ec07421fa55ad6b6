"""The life of a claimed job: every write names its attempt, and an update without a matching row means stop.

The rules of the queue are in decision record 0003.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from worker.errors import AttemptLostError
from worker.registry.base import DatabaseNow
from worker.registry.counters import Happening, count
from worker.registry.crash_policy import READS_IMAGES, describe_kill, record_crash, record_kill
from worker.registry.states import JobState
from worker.registry.tables import JobRow
from worker.registry.transitions import ADVANCED_IN, Transitions, held


@dataclass(frozen=True)
class LeaseStatus:
    """The job that a worker holds; `progressed_at` is in seconds since the epoch on the database's clock."""

    cancel_requested: bool
    progressed_at: float
    stage: str | None


class Leases:
    """Claiming, renewing, reporting, ending and releasing jobs."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._transitions = Transitions(session)

    def claim(self, job_id: str, *, worker: str, lease_seconds: float) -> JobRow | None:
        """Claim a queued job that is due; None if it cannot be claimed (it is running, ended, not due or deleted)."""
        now = DatabaseNow()
        job = self._session.scalar(
            update(JobRow)
            .where(JobRow.id == job_id, JobRow.state == JobState.QUEUED, JobRow.run_after <= now)
            .values(
                state=JobState.RUNNING,
                attempt=JobRow.attempt + 1,
                lease_owner=worker,
                lease_until=now + lease_seconds,
                started_at=func.coalesce(JobRow.started_at, now),
                progressed_at=now,
                stage=None,  # clears the stage of the previous attempt: this one has not begun a stage yet
            )
            .returning(JobRow),
            execution_options={"populate_existing": True},
        )
        if job is not None:
            self._transitions.add_state_event(job)
        return job

    def watch(self, job_id: str, attempt: int) -> LeaseStatus:
        """The job's status, without renewing the lease.

        Raises:
            AttemptLostError: the job is no longer held by this attempt.
        """
        columns = (JobRow.cancel_requested_at, JobRow.progressed_at, JobRow.stage)
        return _status(job_id, self._session.execute(select(*columns).where(*held(job_id, attempt))).one_or_none())

    def renew(self, job_id: str, attempt: int, *, lease_seconds: float) -> LeaseStatus:
        """Extend the lease from now on.

        Raises:
            AttemptLostError: the job is no longer held by this attempt.
        """
        row = self._session.execute(
            update(JobRow)
            .where(*held(job_id, attempt))
            .values(lease_until=DatabaseNow() + lease_seconds)
            .returning(JobRow.cancel_requested_at, JobRow.progressed_at, JobRow.stage)
        ).one_or_none()
        return _status(job_id, row)

    def progress(
        self,
        job_id: str,
        attempt: int,
        *,
        stage: str,
        fraction: float | None,
        message: str,
        eta_seconds: float | None = None,
    ) -> None:
        """Report the job's progress; `fraction` in [0, 1] of the whole job.

        Raises:
            AttemptLostError: the job is no longer held by this attempt.
        """
        progress = {"fraction": fraction, "eta_seconds": eta_seconds, "message": message}
        self.touch(job_id, attempt, stage=stage, progress=progress)

    def add_event(self, job_id: str, attempt: int, kind: str, data: dict[str, Any]) -> None:
        """Append to the job's history; counts as progress.

        Raises:
            AttemptLostError: the job is no longer held by this attempt.
        """
        self.touch(job_id, attempt)
        self._transitions.add_event(job_id, kind, data)

    def save_checkpoint(self, job_id: str, attempt: int, data: dict[str, Any]) -> None:
        """Save the state from which the next attempt resumes; counts as progress.

        If `data` has this attempt as its `advanced_in`, the state is further than the one before: the lost attempts so
        far no longer count, and the loss of this one will not.

        Raises:
            AttemptLostError: the job is no longer held by this attempt.
        """
        forgiven = {"failures": 0} if data.get(ADVANCED_IN) == attempt else {}
        self.touch(job_id, attempt, checkpoint=data, **forgiven)

    def end_stage(
        self, job_id: str, attempt: int, stage: str, seconds: float, *, fraction: float | None = None
    ) -> None:
        """Count a finished stage and its seconds; counts as progress.

        With `fraction`, where the stage ends in the whole job: if no lost attempt got there, those no longer count.

        Raises:
            AttemptLostError: the job is no longer held by this attempt.
        """
        count(self._session, Happening.STAGE, self.touch(job_id, attempt), stage, seconds=seconds)
        if fraction is not None:
            no_further = func.coalesce(JobRow.furthest, 0.0) < fraction
            self._session.execute(update(JobRow).where(*held(job_id, attempt), no_further).values(failures=0))

    def touch(self, job_id: str, attempt: int, **values: Any) -> str:
        """One fenced update that counts as progress; it also locks the job's row until the transaction ends.

        Returns the job's kind.

        Raises:
            AttemptLostError: the job is no longer held by this attempt.
        """
        touched = self._session.execute(
            update(JobRow)
            .where(*held(job_id, attempt))
            .values(progress_seq=JobRow.progress_seq + 1, progressed_at=DatabaseNow(), **values)
            .returning(JobRow.kind)
        ).one_or_none()
        if touched is None:
            raise AttemptLostError(job_id)
        kind: str = touched[0]
        return kind

    def finish(self, job_id: str, attempt: int, result: dict[str, Any]) -> None:
        """End the job as succeeded.

        Raises:
            AttemptLostError: the job is no longer held by this attempt.
        """
        job = self._transitions.locked_under(job_id, attempt)
        job.result = result
        job.progress = {"fraction": 1.0, "eta_seconds": 0.0, "message": "done"}
        self._transitions.move(job, JobState.SUCCEEDED)

    def fail(self, job_id: str, attempt: int, error: dict[str, Any]) -> None:
        """End the job as failed, with `error` as its reason.

        Raises:
            AttemptLostError: the job is no longer held by this attempt.
        """
        job = self._transitions.locked_under(job_id, attempt)
        job.error = error
        self._transitions.move(job, JobState.FAILED)

    def confirm_cancel(self, job_id: str, attempt: int) -> None:
        """End the job as cancelled, after its runner has ended.

        Raises:
            AttemptLostError: the job is no longer held by this attempt.
        """
        self._transitions.move(self._transitions.locked_under(job_id, attempt), JobState.CANCELLED)

    def release(
        self, job_id: str, attempt: int, *, reason: str, counts_as_failure: bool, delay_seconds: float = 0.0
    ) -> JobState:
        """Release a running job; return its new state (cancelled, failed, or queued again after the delay).

        Raises:
            AttemptLostError: the job is no longer held by this attempt.
        """
        job = self._transitions.locked_under(job_id, attempt)
        return self._transitions.give_up(
            job, reason=reason, counts_as_failure=counts_as_failure, delay_seconds=delay_seconds
        )

    def release_killed(self, job_id: str, attempt: int, *, how: str) -> JobState:
        """Release a job whose runner was killed from outside; later attempts may take fewer images at a time.

        A kill that reduces the size does not count as a failed attempt: after a few reductions the size is 1.

        Raises:
            AttemptLostError: the job is no longer held by this attempt.
        """
        job = self._transitions.locked_under(job_id, attempt)
        reason = describe_kill(job, how)
        fewer = record_kill(job)
        if fewer and job.cancel_requested_at is None:
            self._transitions.add_event(job.id, "micro_batch", {"stage": job.stage, "size": job.micro_batch})
        return self._transitions.give_up(job, reason=reason, counts_as_failure=not fewer)

    def release_crashed(self, job_id: str, attempt: int, *, how: str, unreadable: dict[str, Any]) -> JobState:
        """Release a job whose runner crashed outside of Python.

        The input is to blame for the second crash in a row while the job reads its images: another attempt would not
        help, and the job fails with `unreadable` as its reason.

        Raises:
            AttemptLostError: the job is no longer held by this attempt.
        """
        job = self._transitions.locked_under(job_id, attempt)
        reason = f"the runner crashed: {how}"
        again = record_crash(job)
        if again and job.stage == READS_IMAGES and job.cancel_requested_at is None:
            job.error = unreadable
            self._transitions.move(job, JobState.FAILED, reason)
            return job.state
        return self._transitions.give_up(job, reason=reason, counts_as_failure=True)

    def pull_back(self, *, lease_seconds: float, delay_seconds: float) -> int:
        """Correct times that lie too far ahead, and return their number: the database's clock was set back after them.

        Without this a job would wait, and the job of a lost worker be held, for as long as the clock was ahead.

        Args:
            lease_seconds: of a lease; one that lasts twice as long ends after these seconds.
            delay_seconds: the longest that a queued job may have to wait; one that waits for longer is due now.
        """
        now = DatabaseNow()
        late = (JobRow.state == JobState.QUEUED, JobRow.run_after > now + delay_seconds)
        long = (JobRow.state == JobState.RUNNING, JobRow.lease_until > now + 2 * lease_seconds)
        corrected = [
            *self._session.scalars(update(JobRow).where(*late).values(run_after=now).returning(JobRow.id)),
            *self._session.scalars(
                update(JobRow).where(*long).values(lease_until=now + lease_seconds).returning(JobRow.id)
            ),
        ]
        return len(corrected)

    def sweep_expired(self, limit: int = 100) -> list[str]:
        """Release every running job whose lease expired; return their ids. Any number of sweepers may run at once."""
        expired = self._session.scalars(
            select(JobRow)
            .where(JobRow.state == JobState.RUNNING, JobRow.lease_until < DatabaseNow())
            .order_by(JobRow.lease_until)
            .limit(limit)
            .with_for_update(skip_locked=True)
        ).all()
        for job in expired:
            count(self._session, Happening.LOST_LEASE, job.kind)
            self._transitions.give_up(job, reason="lease expired", counts_as_failure=True)
        return [job.id for job in expired]


def _status(job_id: str, row: Any) -> LeaseStatus:
    if row is None:
        raise AttemptLostError(job_id)
    cancel_requested_at, progressed_at, stage = row
    return LeaseStatus(cancel_requested_at is not None, progressed_at, stage)
