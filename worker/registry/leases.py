"""The life of a claimed job: every write names its fence, and an update without a matching row means stop.

The rules of the queue are in decision record 0003.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, update

from worker.registry.base import DatabaseNow
from worker.registry.counters import Happening, count
from worker.registry.crash_policy import READS_IMAGES, describe_kill, record_crash, record_kill
from worker.registry.errors import FenceLostError
from worker.registry.job_models import Job
from worker.registry.states import JobState
from worker.registry.transitions import JobMoves, held


@dataclass(frozen=True)
class LeaseStatus:
    """The job that a worker holds; `progressed_at` is in seconds since the epoch on the database's clock."""

    cancel_requested: bool
    progressed_at: float
    stage: str | None


class LeasedJobs(JobMoves):
    """Claiming, renewing, reporting, ending and releasing jobs."""

    def claim(self, job_id: str, *, worker: str, lease_seconds: float) -> Job | None:
        """Claim a queued job that is due; None if it cannot be claimed (it is running, ended, not due or deleted)."""
        now = DatabaseNow()
        job = self._session.scalar(
            update(Job)
            .where(Job.id == job_id, Job.state == JobState.QUEUED, Job.run_after <= now)
            .values(
                state=JobState.RUNNING,
                attempt=Job.attempt + 1,
                lease_owner=worker,
                lease_until=now + lease_seconds,
                started_at=func.coalesce(Job.started_at, now),
                progressed_at=now,
                stage=None,  # clears the stage of the previous attempt: this one has not begun a stage yet
            )
            .returning(Job),
            execution_options={"populate_existing": True},
        )
        if job is not None:
            self._add_state_event(job)
        return job

    def watch(self, job_id: str, fence: int) -> LeaseStatus:
        """The job's status, without renewing the lease.

        Raises:
            FenceLostError: the job is no longer held under this fence.
        """
        columns = (Job.cancel_requested_at, Job.progressed_at, Job.stage)
        return _status(job_id, self._session.execute(select(*columns).where(*held(job_id, fence))).one_or_none())

    def renew(self, job_id: str, fence: int, *, lease_seconds: float) -> LeaseStatus:
        """Extend the lease from now on.

        Raises:
            FenceLostError: the job is no longer held under this fence.
        """
        row = self._session.execute(
            update(Job)
            .where(*held(job_id, fence))
            .values(lease_until=DatabaseNow() + lease_seconds)
            .returning(Job.cancel_requested_at, Job.progressed_at, Job.stage)
        ).one_or_none()
        return _status(job_id, row)

    def progress(
        self,
        job_id: str,
        fence: int,
        *,
        stage: str,
        fraction: float | None,
        message: str,
        eta_seconds: float | None = None,
    ) -> None:
        """Report the job's progress; `fraction` in [0, 1] of the whole job.

        Raises:
            FenceLostError: the job is no longer held under this fence.
        """
        progress = {"fraction": fraction, "eta_seconds": eta_seconds, "message": message}
        self.touch(job_id, fence, stage=stage, progress=progress)

    def add_event(self, job_id: str, fence: int, kind: str, data: dict[str, Any]) -> None:
        """Append to the job's history; counts as progress.

        Raises:
            FenceLostError: the job is no longer held under this fence.
        """
        self.touch(job_id, fence)
        self._add_event(job_id, kind, data)

    def save_checkpoint(self, job_id: str, fence: int, data: dict[str, Any]) -> None:
        """Save the state from which the next attempt resumes; counts as progress.

        Raises:
            FenceLostError: the job is no longer held under this fence.
        """
        self.touch(job_id, fence, checkpoint=data)

    def end_stage(self, job_id: str, fence: int, stage: str, seconds: float) -> None:
        """Count a finished stage and its seconds; counts as progress.

        Raises:
            FenceLostError: the job is no longer held under this fence.
        """
        count(self._session, Happening.STAGE, self.touch(job_id, fence), stage, seconds=seconds)

    def touch(self, job_id: str, fence: int, **values: Any) -> str:
        """One fenced update that counts as progress; it also locks the job's row until the transaction ends.

        Returns the job's kind.

        Raises:
            FenceLostError: the job is no longer held under this fence.
        """
        touched = self._session.execute(
            update(Job)
            .where(*held(job_id, fence))
            .values(progress_seq=Job.progress_seq + 1, progressed_at=DatabaseNow(), **values)
            .returning(Job.kind)
        ).one_or_none()
        if touched is None:
            raise FenceLostError(job_id)
        kind: str = touched[0]
        return kind

    def finish(self, job_id: str, fence: int, result: dict[str, Any]) -> None:
        """End the job as succeeded.

        Raises:
            FenceLostError: the job is no longer held under this fence.
        """
        job = self._locked_under(job_id, fence)
        job.result = result
        job.progress = {"fraction": 1.0, "eta_seconds": 0.0, "message": "done"}
        self._move(job, JobState.SUCCEEDED)

    def fail(self, job_id: str, fence: int, error: dict[str, Any]) -> None:
        """End the job as failed, with `error` as its reason.

        Raises:
            FenceLostError: the job is no longer held under this fence.
        """
        job = self._locked_under(job_id, fence)
        job.error = error
        self._move(job, JobState.FAILED)

    def confirm_cancel(self, job_id: str, fence: int) -> None:
        """End the job as cancelled, after its runner has ended.

        Raises:
            FenceLostError: the job is no longer held under this fence.
        """
        self._move(self._locked_under(job_id, fence), JobState.CANCELLED)

    def release(
        self, job_id: str, fence: int, *, reason: str, counts_as_failure: bool, delay_seconds: float = 0.0
    ) -> JobState:
        """Release a running job; return its new state (cancelled, failed, or queued again after the delay).

        Raises:
            FenceLostError: the job is no longer held under this fence.
        """
        job = self._locked_under(job_id, fence)
        return self._give_up(job, reason=reason, counts_as_failure=counts_as_failure, delay_seconds=delay_seconds)

    def release_killed(self, job_id: str, fence: int, *, how: str) -> JobState:
        """Release a job whose runner was killed from outside; later attempts may take fewer images at a time.

        A kill that reduces the size does not count as a failed attempt: after a few reductions the size is 1.

        Raises:
            FenceLostError: the job is no longer held under this fence.
        """
        job = self._locked_under(job_id, fence)
        reason = describe_kill(job, how)
        fewer = record_kill(job)
        if fewer and job.cancel_requested_at is None:
            self._add_event(job.id, "micro_batch", {"stage": job.stage, "size": job.micro_batch})
        return self._give_up(job, reason=reason, counts_as_failure=not fewer)

    def release_crashed(self, job_id: str, fence: int, *, how: str, unreadable: dict[str, Any]) -> JobState:
        """Release a job whose runner crashed outside of Python.

        The input is to blame for the second crash in a row while the job reads its images: another attempt would not
        help, and the job fails with `unreadable` as its reason.

        Raises:
            FenceLostError: the job is no longer held under this fence.
        """
        job = self._locked_under(job_id, fence)
        reason = f"the runner crashed: {how}"
        again = record_crash(job)
        if again and job.stage == READS_IMAGES and job.cancel_requested_at is None:
            job.error = unreadable
            self._move(job, JobState.FAILED, reason)
            return job.state
        return self._give_up(job, reason=reason, counts_as_failure=True)

    def sweep_expired(self, limit: int = 100) -> list[str]:
        """Release every running job whose lease expired; return their ids. Any number of sweepers may run at once."""
        expired = self._session.scalars(
            select(Job)
            .where(Job.state == JobState.RUNNING, Job.lease_until < DatabaseNow())
            .order_by(Job.lease_until)
            .limit(limit)
            .with_for_update(skip_locked=True)
        ).all()
        for job in expired:
            count(self._session, Happening.LOST_LEASE, job.kind)
            self._give_up(job, reason="lease expired", counts_as_failure=True)
        return [job.id for job in expired]


def _status(job_id: str, row: Any) -> LeaseStatus:
    if row is None:
        raise FenceLostError(job_id)
    cancel_requested_at, progressed_at, stage = row
    return LeaseStatus(cancel_requested_at is not None, progressed_at, stage)
