"""Jobs as lines of the dashboard's lists: subject in words, progress, and the possible actions."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.api.serializers import job_summary
from service.schemas.jobs import Job
from worker.registry import JobKind, JobRow, JobState, Registry

KINDS = {
    JobKind.REGISTER_TASK: "baseline",
    JobKind.RECOMMEND: "recommendation",
    JobKind.DISTANCES: "distances to",
    JobKind.TRAIN_ARCHITECTURE: "training of",
    JobKind.STUDY: "study of",
}


@dataclass(frozen=True)
class JobLine:
    """A job with the text that a list shows for it.

    Attributes:
        kind: in words.
        about: the name of its task or recommendation; None if that was deleted or has no name.
        address: the page of its task or recommendation; None without one.
        age_seconds: since its submission.
        worker: the slot that runs it; None unless it runs.
        lease_seconds: until its lease ends.
        due_seconds: until a worker may claim it; None unless it waits for a time.
    """

    job: Job
    kind: str
    about: str | None
    address: str | None
    age_seconds: float
    worker: str | None
    lease_seconds: float | None
    due_seconds: float | None

    @property
    def can_be_retried(self) -> bool:
        return self.job.state in (JobState.FAILED, JobState.CANCELLED)

    @property
    def can_be_cancelled(self) -> bool:
        return self.job.state in (JobState.QUEUED, JobState.RUNNING) and not self.job.cancel_requested


def job_lines(registry: Registry, jobs: Sequence[JobRow]) -> list[JobLine]:
    """Builds the lines of these jobs, with two more queries in all."""
    now = registry.jobs.now()
    tasks = registry.tasks.names({id for job in jobs if (id := _task_of(job)) is not None})
    recommendations = registry.recommendations.names(
        {job.params["recommendation_id"] for job in jobs if "recommendation_id" in job.params}
    )
    return [_line(job, now, tasks, recommendations) for job in jobs]


def _line(job: JobRow, now: float, tasks: dict[str, str], recommendations: dict[str, str | None]) -> JobLine:
    about, address = _subject(job, tasks, recommendations)
    waits = job.state is JobState.QUEUED and job.run_after > now
    return JobLine(
        job=job_summary(job),
        kind=KINDS.get(JobKind(job.kind), job.kind),
        about=about,
        address=address,
        age_seconds=max(0.0, now - job.created_at),
        worker=job.lease_owner,
        lease_seconds=None if job.lease_until is None else job.lease_until - now,
        due_seconds=job.run_after - now if waits else None,
    )


def _subject(
    job: JobRow, tasks: dict[str, str], recommendations: dict[str, str | None]
) -> tuple[str | None, str | None]:
    task_id = _task_of(job)
    task = None if task_id is None else tasks.get(task_id)
    if job.kind == JobKind.RECOMMEND:
        id = job.params.get("recommendation_id")
        return (recommendations[id] or task, f"/recommendations/{id}") if id in recommendations else (task, None)
    name = job.params.get("name") if job.kind == JobKind.TRAIN_ARCHITECTURE else task
    return name, None if task is None else f"/tasks/{task_id}"


def _task_of(job: JobRow) -> str | None:
    return job.params.get("task_id") or job.params.get("target_task_id")
