"""The networks, genotypes, trained cells and trainings of tasks, and figures about them for lists."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from worker.registry.states import JobState, TaskRole
from worker.registry.tables import (
    CellTrainingRow,
    GenotypeRow,
    JobRow,
    NetworkRow,
    TaskCellRow,
    TaskGenotypeRow,
    TaskNetworkRow,
    TaskRow,
)
from worker.registry.upsert import insert_missing


@dataclass(frozen=True)
class TaskFigure:
    """The figures of one task.

    Attributes:
        balanced_accuracies: of its networks on validation images, in [0, 1], in the order of their repetitions.
        genotypes: the number of its cells.
    """

    balanced_accuracies: tuple[float, ...] = ()
    genotypes: int = 0


@dataclass(frozen=True)
class TaskCell:
    """A trained cell of a task.

    Attributes:
        design: of its network, as `CellDesign.to_json` writes it.
        network: its weights and scores.
    """

    design: Mapping[str, Any]
    network: NetworkRow


@dataclass(frozen=True)
class CellTraining:
    """One training of a cell on a task's images.

    Attributes:
        key: the content key of the trained network.
        genotype: the cell, as `Genotype.to_json` writes it.
        skeleton: where the cells go, as `Skeleton.to_json` writes it.
        epochs: passes over the training images; None for the winner of a race, which trained in several cycles.
        seed: decides the first weights and the order of the images.
        validation_accuracy: in [0, 1].
        validation_loss: mean cross-entropy on the validation images, in nats.
        standard_error: of the accuracy over draws of the validation images, a fraction.
        seconds: that the training took.
    """

    key: str
    genotype: Mapping[str, Any]
    skeleton: Mapping[str, Any]
    epochs: int | None
    seed: int
    validation_accuracy: float
    validation_loss: float
    standard_error: float
    seconds: float


@dataclass(frozen=True)
class TaskTraining:
    """A stored training of a cell, and whether the network that it led to is a trained cell of the task."""

    training: CellTraining
    weights: bool


class TaskResults:
    """The rows that link tasks to networks, genotypes and cells; each figure is one query for all listed tasks."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def link_network(self, task_id: str, repetition: int, network_key: str) -> None:
        """Store that repetition r of the task is this network."""
        insert_missing(
            self._session, TaskNetworkRow, [{"task_id": task_id, "repetition": repetition, "network_key": network_key}]
        )

    def networks(self, task_id: str) -> Sequence[NetworkRow]:
        """The task's networks in the order of their repetitions."""
        return self._session.scalars(
            select(NetworkRow)
            .join(TaskNetworkRow, TaskNetworkRow.network_key == NetworkRow.key)
            .where(TaskNetworkRow.task_id == task_id)
            .order_by(TaskNetworkRow.repetition)
        ).all()

    def link_genotypes(self, task_id: str, genotype_ids: Sequence[str]) -> None:
        """Store that the task has these genotypes."""
        insert_missing(
            self._session, TaskGenotypeRow, [{"task_id": task_id, "genotype_id": genotype} for genotype in genotype_ids]
        )

    def genotypes(self, task_id: str) -> Sequence[GenotypeRow]:
        """The genotypes that the task knows, best first, those without a score last.

        Best is the highest validation accuracy among those trained longest: accuracies after different training do
        not compare.
        """
        return self._session.scalars(
            select(GenotypeRow)
            .join(TaskGenotypeRow, TaskGenotypeRow.genotype_id == GenotypeRow.id)
            .where(TaskGenotypeRow.task_id == task_id)
            .order_by(
                GenotypeRow.epochs.desc().nulls_last(),
                GenotypeRow.validation_accuracy.desc().nulls_last(),
                GenotypeRow.position,
                GenotypeRow.search_key,
            )
        ).all()

    def scored_genotypes(self, task_ids: Collection[str]) -> list[tuple[str, GenotypeRow]]:
        """The genotypes of these tasks that have a score with its epochs, each with the id of its task."""
        found = self._session.execute(
            select(TaskGenotypeRow.task_id, GenotypeRow)
            .join(GenotypeRow, GenotypeRow.id == TaskGenotypeRow.genotype_id)
            .where(
                TaskGenotypeRow.task_id.in_(task_ids),
                GenotypeRow.validation_accuracy.is_not(None),
                GenotypeRow.epochs.is_not(None),
            )
            .order_by(TaskGenotypeRow.task_id, GenotypeRow.search_key, GenotypeRow.position)
        )
        return [(task_id, row) for task_id, row in found]

    def link_cell(self, task_id: str, network_key: str, design: Mapping[str, Any]) -> None:
        """Store that the network of this design (`CellDesign.to_json`) is a trained cell of the task, once."""
        insert_missing(self._session, TaskCellRow, [{"task_id": task_id, "network_key": network_key, "design": design}])

    def cells(self, task_id: str) -> list[TaskCell]:
        """The task's trained cells, the highest validation accuracy first."""
        found = self._session.execute(
            select(TaskCellRow.design, NetworkRow)
            .join(NetworkRow, NetworkRow.key == TaskCellRow.network_key)
            .where(TaskCellRow.task_id == task_id)
            .order_by(NetworkRow.validation_accuracy.desc(), NetworkRow.key)
        )
        return [TaskCell(design, network) for design, network in found]

    def store_training(self, task_id: str, training: CellTraining) -> None:
        """Store a training of a cell on the task's images, once."""
        insert_missing(self._session, CellTrainingRow, [{"task_id": task_id, **asdict(training)}])

    def trainings(self, task_id: str) -> list[TaskTraining]:
        """The trainings of the task's cells, the longest first, of equally long ones the highest accuracy first."""
        columns = [getattr(CellTrainingRow, field.name) for field in fields(CellTraining)]
        found = self._session.execute(
            select(TaskCellRow.network_key.is_not(None), *columns)
            .outerjoin(
                TaskCellRow,
                (TaskCellRow.task_id == CellTrainingRow.task_id) & (TaskCellRow.network_key == CellTrainingRow.key),
            )
            .where(CellTrainingRow.task_id == task_id)
            .order_by(
                CellTrainingRow.epochs.desc().nulls_first(),
                CellTrainingRow.validation_accuracy.desc(),
                CellTrainingRow.key,
            )
        )
        return [TaskTraining(CellTraining(*values), weights) for weights, *values in found]

    def timed_trainings(self, task_ids: Collection[str]) -> list[tuple[str, CellTraining]]:
        """The trainings of these tasks' cells that have a number of epochs, each with the id of its task."""
        columns = [getattr(CellTrainingRow, field.name) for field in fields(CellTraining)]
        found = self._session.execute(
            select(CellTrainingRow.task_id, *columns)
            .where(CellTrainingRow.task_id.in_(task_ids), CellTrainingRow.epochs.is_not(None))
            .order_by(CellTrainingRow.task_id, CellTrainingRow.key)
        )
        return [(task_id, CellTraining(*values)) for task_id, *values in found]

    def figures(self, task_ids: Collection[str]) -> dict[str, TaskFigure]:
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
