"""Tasks: baselines, and targets of recommendations."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, delete, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from worker.errors import NameTakenError, NotFoundError, TaskBusyError
from worker.registry.pages import newest_first
from worker.registry.states import JobKind, JobState, TaskRole
from worker.registry.tables import JobRow, TaskRow
from worker.registry.transitions import Transitions

_IDS_AT_ONCE = 10_000  # a statement has no more than 32,766 parameters on SQLite


@dataclass(frozen=True)
class TaskAndState:
    """A task with the state of its job; a baseline is ready once that is `succeeded`."""

    task: TaskRow
    state: JobState


class Tasks:
    """The rows of `tasks` and of the tables that link them to networks and genotypes."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def insert(self, **columns: Any) -> TaskRow:
        """Store a new task.

        Raises:
            NameTakenError: another baseline holds the name.
        """
        task = TaskRow(**columns)
        if task.role == TaskRole.BASELINE:
            with self._name_free(task.name):
                self._session.add(task)
        else:
            self._session.add(task)
            self._session.flush()
        return task

    def get(self, task_id: str) -> TaskRow:
        """The task as it is now.

        Raises:
            NotFoundError: no such task.
        """
        task = self._session.get(TaskRow, task_id, populate_existing=True)
        if task is None:
            raise NotFoundError("task", task_id)
        return task

    def row(self, task_id: str) -> TaskAndState:
        """The task with the state of its job.

        Raises:
            NotFoundError: no such task.
        """
        found = self._session.execute(_with_state().where(TaskRow.id == task_id)).one_or_none()
        if found is None:
            raise NotFoundError("task", task_id)
        return TaskAndState(*found)

    def find_baseline(self, name_or_id: str) -> TaskRow | None:
        """The baseline of that id, else of that name, or None."""
        return self._session.scalar(
            select(TaskRow)
            .where(TaskRow.role == TaskRole.BASELINE, or_(TaskRow.id == name_or_id, TaskRow.name == name_or_id))
            .order_by((TaskRow.id == name_or_id).desc())
            .limit(1)
        )

    def find(self, name_or_id: str) -> TaskRow:
        """The task of that id, else the baseline of that name, else the newest target of that name.

        Raises:
            NotFoundError: there is none of these.
        """
        return self.find_all(name_or_id, limit=1)[0]

    def find_all(self, name_or_id: str, limit: int) -> Sequence[TaskRow]:
        """The task of that id, else the baseline of that name, else the targets of that name, newest first.

        Raises:
            NotFoundError: there is none of these.
        """
        found = self._session.scalars(
            select(TaskRow)
            .where(or_(TaskRow.id == name_or_id, TaskRow.name == name_or_id))
            .order_by((TaskRow.id == name_or_id).desc(), (TaskRow.role == TaskRole.BASELINE).desc())
            .order_by(TaskRow.created_at.desc(), TaskRow.id.desc())
            .limit(limit)
        ).all()
        if not found:
            raise NotFoundError("task", name_or_id, by="id or name")
        sole = found[0].id == name_or_id or found[0].role == TaskRole.BASELINE
        return found[:1] if sole else found

    def find_unmapped(self, uri: str, label_column: str | None) -> TaskRow | None:
        """The newest task that uses this dataset without a label mapping and has read its classes; or None."""
        column = TaskRow.dataset["label_column"].as_string()
        return self._session.scalar(
            select(TaskRow)
            .where(
                TaskRow.dataset["uri"].as_string() == uri, TaskRow.labels.is_(None), TaskRow.class_names.is_not(None)
            )
            .where(column.is_(None) if label_column is None else column == label_column)
            .order_by(TaskRow.created_at.desc(), TaskRow.id.desc())
            .limit(1)
        )

    def baseline_names(self) -> dict[str, str]:
        """The name of every baseline by its id, oldest first."""
        task = TaskRow.__table__.c
        statement = select(task.id, task.name).where(task.role == TaskRole.BASELINE).order_by(task.created_at, task.id)
        return dict(self._session.execute(statement).all())

    def names(self, ids: Collection[str]) -> dict[str, str]:
        """The names of these tasks by their ids: baselines first, then targets, each oldest first."""
        task = TaskRow.__table__.c
        columns = select(task.role != TaskRole.BASELINE, task.created_at, task.id, task.name)
        wanted = list(ids)
        rows = [
            row
            for start in range(0, len(wanted), _IDS_AT_ONCE)
            for row in self._session.execute(columns.where(task.id.in_(wanted[start : start + _IDS_AT_ONCE])))
        ]
        return {id: name for _, _, id, name in sorted(tuple(row) for row in rows)}

    def hold(self, ids: Collection[str]) -> set[str]:
        """The existing tasks among the ids; none of them can be deleted before the transaction ends."""
        return {
            *self._session.scalars(
                select(TaskRow.id).where(TaskRow.id.in_(ids)).order_by(TaskRow.id).with_for_update(read=True)
            )
        }

    def baselines(self) -> list[TaskAndState]:
        """Every baseline with the state of its job, oldest first."""
        statement = _with_state().where(TaskRow.role == TaskRole.BASELINE).order_by(TaskRow.created_at, TaskRow.id)
        return [TaskAndState(task, state) for task, state in self._session.execute(statement)]

    def list(
        self,
        role: str | None = None,
        limit: int = 100,
        after: str | None = None,
        *,
        state: JobState | None = None,
        part_of_name: str | None = None,
    ) -> list[TaskAndState]:
        """Tasks, newest first; the page after the task with the id `after`. The search ignores case."""
        statement = _with_state()
        if role is not None:
            statement = statement.where(TaskRow.role == role)
        if state is not None:
            statement = statement.where(JobRow.state == state)
        if part_of_name is not None:
            statement = statement.where(TaskRow.name.icontains(part_of_name, autoescape=True))
        page = newest_first(statement, TaskRow, limit=limit, after=after)
        return [TaskAndState(task, state) for task, state in self._session.execute(page)]

    def resolve(
        self,
        task_id: str,
        *,
        architecture: str,
        dataset_digest: str,
        mapping_digest: str,
        preprocessing_digest: str,
        class_names: Sequence[str],
        counts: dict[str, int],
        class_counts: Sequence[dict[str, Any]],
        seen_images: str,
        samples: str,
        value_range: Sequence[float] | None = None,
    ) -> TaskRow:
        """Store the facts found by reading the data.

        Args:
            value_range: that of images with more than 8 bits; the task's reference states it from now on.

        Raises:
            NotFoundError: no such task.
        """
        task = self.get(task_id)
        task.architecture = architecture
        task.dataset_digest = dataset_digest
        task.mapping_digest = mapping_digest
        task.preprocessing_digest = preprocessing_digest
        task.class_names = [*class_names]
        task.counts = counts
        task.class_counts = [*class_counts]
        task.seen_images = seen_images
        task.samples = samples
        if value_range is not None:
            task.dataset = {**task.dataset, "value_range": [*value_range]}
        self._session.flush()
        return task

    def promote(self, task_id: str, name: str) -> TaskRow:
        """Make a target a baseline under this name.

        Raises:
            NotFoundError: no such task.
            NameTakenError: another baseline holds the name.
        """
        task = self.get(task_id)
        with self._name_free(name):
            task.role = TaskRole.BASELINE
            task.name = name
        return task

    def delete(self, task_id: str) -> None:
        """Delete the task and its links; networks and genotypes stay for the tasks that share them.

        Raises:
            NotFoundError: no such task.
            TaskBusyError: its job, or one that measures distances to it or studies it, has not ended yet.
        """
        found = self.row(task_id)
        if not found.state.ended:
            raise TaskBusyError(task_id, found.task.job_id)
        delete_unmeasured(self._session, task_id)

    @contextmanager
    def _name_free(self, name: str) -> Iterator[None]:
        """Stores the baseline of this name, which the block adds or renames, unless another one holds the name."""
        if self._is_held(name):
            raise NameTakenError(name)
        try:
            with self._session.begin_nested():
                yield
        except IntegrityError as error:
            if not self._is_held(name):
                raise
            raise NameTakenError(name) from error  # by a transaction that has just committed

    def _is_held(self, name: str) -> bool:
        return (
            self._session.scalar(select(TaskRow.id).where(TaskRow.role == TaskRole.BASELINE, TaskRow.name == name))
            is not None
        )


def _with_state() -> Select[TaskRow, JobState]:
    return select(TaskRow, JobRow.state).join(JobRow, JobRow.id == TaskRow.job_id)


def delete_unmeasured(session: Session, task_id: str) -> None:
    """Delete the row of a task, unless distances to it are being measured, or its cells are being studied.

    A study that a dispatcher queued by itself is cancelled where it has not begun.

    Raises:
        TaskBusyError: another job that does so has not ended yet.
    """
    session.execute(select(TaskRow.id).where(TaskRow.id == task_id).with_for_update())  # see `Tasks.hold`
    idle = (JobRow.kind == JobKind.STUDY) & (JobRow.params["task_id"].as_string() == task_id)
    idle &= JobRow.params["idle"].as_boolean() & (JobRow.state == JobState.QUEUED)
    for job in session.scalars(select(JobRow).where(idle).with_for_update()).all():
        Transitions(session).move(job, JobState.CANCELLED, "its baseline is deleted")
    busy = session.scalar(
        select(JobRow.id)
        .where(JobRow.state.in_((JobState.QUEUED, JobState.RUNNING)))
        .where(
            (JobRow.kind == JobKind.DISTANCES) & (JobRow.params["target_task_id"].as_string() == task_id)
            | (JobRow.kind == JobKind.STUDY) & (JobRow.params["task_id"].as_string() == task_id)
        )
        .order_by(JobRow.created_at, JobRow.id)
        .limit(1)
    )
    if busy is not None:
        raise TaskBusyError(task_id, busy)
    session.execute(delete(TaskRow).where(TaskRow.id == task_id))
