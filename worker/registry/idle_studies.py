"""Queues a study of a baseline's cells while no job waits or runs."""

from sqlalchemy import Select, String, cast, exists, func, select, text
from sqlalchemy.orm import Session, aliased

from worker.registry.jobs import Jobs
from worker.registry.states import JobKind, JobState, TaskRole
from worker.registry.tables import JobRow, TaskCellRow, TaskRow
from worker.registry.tasks import Tasks

OWNER = "idle"
PRIORITY = -101
"""Below the priority of every request."""

ENOUGH_CELLS = 2
"""A baseline with so many trained cells is not studied by itself."""

_ADVISORY_LOCK = 0x1D1E_5D7D


class IdleStudies:
    """The jobs of kind `study` that dispatchers queue by themselves."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def queue(self, seconds: float) -> JobRow | None:
        """Queue a study of one cell of the ready baseline with the fewest trained cells, the oldest of equal ones.

        None while any job is queued or running, and if every baseline has enough cells. A study that adds no cell is
        not repeated. Dispatchers take turns, so of several at once one queues a study.
        """
        if self._session.get_bind().dialect.name == "postgresql":  # on SQLite a writing transaction holds the only lock
            self._session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        unfinished = select(JobRow.id).where(JobRow.state.in_((JobState.QUEUED, JobState.RUNNING))).limit(1)
        if self._session.scalar(unfinished) is not None:
            return None
        found = self._session.execute(_least_studied()).one_or_none()
        if found is None:
            return None
        task_id, key = found
        if not Tasks(self._session).hold([task_id]):  # deleted since
            return None
        params = {"task_id": task_id, "study": {"cells": 1, "seconds": seconds}, "idle": True}
        return Jobs(self._session).insert(
            JobKind.STUDY, params, owner=OWNER, priority=PRIORITY, idempotency_key=key, request_hash=""
        )


def _least_studied() -> Select[str, str]:
    """The baseline to study next, and the key of the study: equal for a study that would repeat an earlier one."""
    # A cell that several studies trained has a network of each.
    each = cast(TaskCellRow.design, String).distinct()
    cells = select(func.count(each)).where(TaskCellRow.task_id == TaskRow.id).correlate(TaskRow).scalar_subquery()
    key = TaskRow.id + "/" + cast(cells, String)
    study = aliased(JobRow)
    return (
        select(TaskRow.id, key)
        .join(JobRow, JobRow.id == TaskRow.job_id)
        .where(
            TaskRow.role == TaskRole.BASELINE,
            JobRow.state == JobState.SUCCEEDED,
            cells < ENOUGH_CELLS,
            ~exists().where(study.owner == OWNER, study.idempotency_key == key).correlate(TaskRow),
        )
        .order_by(cells, TaskRow.created_at, TaskRow.id)
        .limit(1)
    )
