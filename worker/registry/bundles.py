"""Exports the baselines of a registry as plain rows, and imports them into another installation."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, inspect, select
from sqlalchemy.orm import Session

from worker.errors import NameTakenError
from worker.registry.base import Base, DatabaseNow, new_id
from worker.registry.states import JobKind, JobState, TaskRole
from worker.registry.tables import (
    ArtifactRow,
    DistanceRow,
    FisherSummaryRow,
    GenotypeRow,
    JobEventRow,
    JobRow,
    NetworkRow,
    TaskGenotypeRow,
    TaskNetworkRow,
    TaskRow,
)
from worker.registry.upsert import keep_first

TABLES: dict[str, type[Base]] = {
    table.__tablename__: table
    for table in (
        ArtifactRow,
        TaskRow,
        NetworkRow,
        TaskNetworkRow,
        GenotypeRow,
        TaskGenotypeRow,
        FisherSummaryRow,
        DistanceRow,
    )
}
"""In an order in which the rows can be stored: a row comes after the rows that it refers to."""

Rows = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class Imported:
    """The result of an import: names of the new baselines, and of those that existed already."""

    new: tuple[str, ...]
    known: tuple[str, ...]


class Bundles:
    """All rows of finished baselines, at once."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def export_rows(self) -> dict[str, list[dict[str, Any]]]:
        """Every finished baseline with its networks, genotypes, Fisher summaries and the distances between them.

        By table, in the order of `TABLES`; a task comes without its job, which belongs to this installation.
        """
        tasks = select(TaskRow.id).join(JobRow, JobRow.id == TaskRow.job_id)
        tasks = tasks.where(TaskRow.role == TaskRole.BASELINE, JobRow.state == JobState.SUCCEEDED)
        networks = select(TaskNetworkRow.network_key).where(TaskNetworkRow.task_id.in_(tasks))
        genotypes = select(TaskGenotypeRow.genotype_id).where(TaskGenotypeRow.task_id.in_(tasks))
        weights = select(NetworkRow.weights).where(NetworkRow.key.in_(networks))
        seen = select(TaskRow.seen_images).where(TaskRow.id.in_(tasks), TaskRow.seen_images.is_not(None))
        wanted: dict[type[Base], ColumnElement[bool]] = {
            ArtifactRow: ArtifactRow.digest.in_(weights) | ArtifactRow.digest.in_(seen),
            TaskRow: TaskRow.id.in_(tasks),
            NetworkRow: NetworkRow.key.in_(networks),
            TaskNetworkRow: TaskNetworkRow.task_id.in_(tasks),
            GenotypeRow: GenotypeRow.id.in_(genotypes),
            TaskGenotypeRow: TaskGenotypeRow.task_id.in_(tasks),
            FisherSummaryRow: FisherSummaryRow.network_key.in_(networks),
            DistanceRow: DistanceRow.source_network.in_(networks) & DistanceRow.target_network.in_(networks),
        }
        rows = {name: self._rows(select(table).where(wanted[table])) for name, table in TABLES.items()}
        for task in rows["tasks"]:
            del task["job_id"]
            task["samples"] = None  # other people get the bundle, but images must stay on their owner's installation
        for network in rows["networks"]:
            network["test"] = None  # a test evaluation belongs to the answer that it was made for
        return rows

    def import_rows(self, rows: Rows, *, prefix: str = "") -> Imported:
        """Store the rows that do not exist yet; rows of equal content are shared, and existing rows do not change.

        Each new baseline gets a succeeded job, which records its origin.

        Args:
            rows: as `export_rows` returns them.
            prefix: put before the name of every new baseline.

        Raises:
            NameTakenError: another baseline holds the name of a new one; nothing is stored.
        """
        there = set(
            self._session.scalars(select(TaskRow.id).where(TaskRow.id.in_([task["id"] for task in rows["tasks"]])))
        )
        new = [{**task, "name": prefix + task["name"]} for task in rows["tasks"] if task["id"] not in there]
        self._require_free(task["name"] for task in new)
        fresh = {task["id"] for task in new}
        genotype_ids = self._genotype_ids(rows["genotypes"])
        stored: dict[str, Sequence[Mapping[str, Any]]] = {
            **rows,
            "tasks": [{**task, "job_id": self._finished_job(task["id"])} for task in new],
            "task_networks": [link for link in rows["task_networks"] if link["task_id"] in fresh],
            "task_genotypes": [
                {**link, "genotype_id": genotype_ids.get(link["genotype_id"], link["genotype_id"])}
                for link in rows["task_genotypes"]
                if link["task_id"] in fresh
            ],
        }
        for name, table in TABLES.items():
            self._keep(table, stored[name])
        known = [task["name"] for task in rows["tasks"] if task["id"] in there]
        return Imported(tuple(task["name"] for task in new), tuple(known))

    def _keep(self, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
        """Store the missing rows; lock those that the cleaner might remove (`removable`) until the transaction ends."""
        keep_first(self._session, table, rows)
        key = {ArtifactRow: ArtifactRow.digest, NetworkRow: NetworkRow.key, GenotypeRow: GenotypeRow.id}.get(table)
        if key is None:
            return
        wanted = {row[key.key] for row in rows}
        held = self._session.scalars(select(key).where(key.in_(wanted)).order_by(key).with_for_update()).all()
        if len(held) < len(wanted) and table is not GenotypeRow:  # one was just removed; a genotype may have another id
            self._keep(table, rows)

    def _rows(self, statement: Select[Any]) -> list[dict[str, Any]]:
        found = self._session.scalars(statement)
        return sorted(
            ({column.key: getattr(row, column.key) for column in inspect(row).mapper.column_attrs} for row in found),
            key=lambda row: [str(value) for value in row.values()],
        )

    def _require_free(self, names: Iterable[str]) -> None:
        wanted = list(names)
        held = self._session.scalars(
            select(TaskRow.name)
            .where(TaskRow.role == TaskRole.BASELINE, TaskRow.name.in_(wanted))
            .order_by(TaskRow.name)
        )
        for name in held:
            raise NameTakenError(name)

    def _genotype_ids(self, genotypes: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """The ids of the genotypes of the same search in this registry."""
        known = self._session.execute(
            select(GenotypeRow.search_key, GenotypeRow.position, GenotypeRow.id).where(
                GenotypeRow.search_key.in_({genotype["search_key"] for genotype in genotypes})
            )
        )
        here = {(search_key, position): id for search_key, position, id in known}
        pairs = ((genotype["id"], here.get((genotype["search_key"], genotype["position"]))) for genotype in genotypes)
        return {id: kept for id, kept in pairs if kept is not None}

    def _finished_job(self, task_id: str) -> str:
        job = JobRow(
            id=new_id(),
            kind=JobKind.REGISTER_TASK,
            params={"task_id": task_id},
            owner="local",
            state=JobState.SUCCEEDED,
            result={"task_id": task_id, "imported": True},
            finished_at=DatabaseNow(),
        )
        self._session.add(job)
        self._session.flush()
        self._session.add(JobEventRow(job_id=job.id, kind="state", data={"state": job.state.value, "attempt": 0}))
        return job.id
