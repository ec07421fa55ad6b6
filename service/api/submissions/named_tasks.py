"""Finds the tasks that a request names; errors name the field of the request."""

from collections.abc import Sequence

from service.api.errors import (
    AmbiguousTaskError,
    UnknownBaselineError,
    UnknownTaskError,
    UnusableTaskError,
)
from service.api.submissions.references import NAMED_AT_MOST
from worker.errors import NotFoundError
from worker.registry import JobState, Registry, TaskRow


def baseline_ids(registry: Registry, names: Sequence[str], field: str) -> list[str]:
    """The ids of the baselines with these names or ids.

    Raises:
        UnknownBaselineError: one of them does not exist.
    """
    if not names:
        return []
    name_of = registry.tasks.baseline_names()
    id_of = {name: id for id, name in name_of.items()} | {id: id for id in name_of}
    for place, name in enumerate(names):
        if name not in id_of:
            known = ", ".join([*name_of.values()][:NAMED_AT_MOST]) or "none yet"
            known += ", …" if len(name_of) > NAMED_AT_MOST else ""
            raise UnknownBaselineError(
                f"no baseline is named {name!r}; registered baselines: {known}", field=f"{field}[{place}]"
            )
    return [id_of[name] for name in names]


def task_to_measure(registry: Registry, name: str, field: str) -> TaskRow:
    """The task with this name or id, to which distances can be measured.

    Raises:
        UnknownTaskError: the task does not exist.
        AmbiguousTaskError: several targets have the name.
        UnusableTaskError: its job failed or was cancelled.
    """
    try:
        task, *others = registry.tasks.find_all(name, limit=NAMED_AT_MOST + 1)
    except NotFoundError as error:
        raise unknown_task(name, field) from error
    if others:
        ids = ", ".join([task.id, *(other.id for other in others)][:NAMED_AT_MOST])
        ids += ", …" if len(others) >= NAMED_AT_MOST else ""
        raise AmbiguousTaskError(f"several targets are named {name!r}; use an id: {ids}", field=field)
    job = registry.jobs.get(task.job_id)
    if job.state in (JobState.FAILED, JobState.CANCELLED):
        raise UnusableTaskError(
            f"the job of task {name!r} is {job.state}; POST /v1/jobs/{job.id}/retry retries it", field=field
        )
    return task


def unknown_task(name: str, field: str) -> UnknownTaskError:
    """The error for a name that no task has."""
    return UnknownTaskError(f"no task has the name or id {name!r}; GET /v1/tasks lists the tasks", field=field)
