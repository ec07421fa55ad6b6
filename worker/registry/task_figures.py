"""Figures about tasks for lists: each query runs once for all listed tasks."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from worker.registry.states import JobState, TaskRole
from worker.registry.tables import JobRow, NetworkRow, TaskGenotypeRow, TaskNetworkRow, TaskRow


@dataclass(frozen=True)
class TaskFigure:
    """The figures of one task.

    Attributes:
        balanced_accuracies: of its networks on validation images, in [0, 1], in the order of their repetitions.
        genotypes: the number of its cells.
    """

    balanced_accuracies: tuple[float, ...] = ()
    genotypes: int = 0


class TaskFigures:
    """Counts and scores from `tasks` and the tables that link them to networks and genotypes."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def of(self, task_ids: Collection[str]) -> dict[str, TaskFigure]:
        """The figures of each of these tasks, by its id."""
        scores: dict[str, list[float]] = {id: [] for id in task_ids}
        networks = (
            select(TaskNetworkRow.task_id, NetworkRow.validation_balanced_accuracy)
            .join(NetworkRow, NetworkRow.key == TaskNetworkRow.network_key)
            .where(TaskNetworkRow.task_id.in_(scores))
            .order_by(TaskNetworkRow.task_id, TaskNetworkRow.repetition)
        )
        for task_id, score in self._session.execute(networks):
            scores[task_id].append(score)
        counted = (
            select(TaskGenotypeRow.task_id, func.count())
            .where(TaskGenotypeRow.task_id.in_(scores))
            .group_by(TaskGenotypeRow.task_id)
        )
        genotypes = dict(self._session.execute(counted).all())
        return {id: TaskFigure(tuple(scores[id]), genotypes.get(id, 0)) for id in scores}

    def baselines(self) -> dict[JobState, int]:
        """The number of baselines by the state of their jobs; `succeeded` means ready."""
        counted = (
            select(JobRow.state, func.count())
            .join(TaskRow, TaskRow.job_id == JobRow.id)
            .where(TaskRow.role == TaskRole.BASELINE)
            .group_by(JobRow.state)
        )
        return dict(self._session.execute(counted).all())
