"""Exports the baselines of a registry as plain rows, and imports them into another installation."""

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, ColumnElement, Select, String, inspect, select
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeEngine

from ldnas.data.shown_uri import shown_reference
from worker.errors import NameTakenError
from worker.registry.base import Base, DatabaseNow, new_id
from worker.registry.states import JobKind, JobState, TaskRole
from worker.registry.tables import (
    ArtifactRow,
    CellTrainingRow,
    DistanceRow,
    FisherSummaryRow,
    GenotypeRow,
    JobEventRow,
    JobRow,
    NetworkRow,
    TaskCellRow,
    TaskGenotypeRow,
    TaskNetworkRow,
    TaskRow,
)
from worker.registry.upsert import insert_missing

ABSENT = {"tasks": {"job_id"}}
"""Columns that a bundle does not have."""


def fault_of(table: str, row: object) -> str | None:
    """The reason why a JSON value is not a row of the table; None if it is one.

    A column that may be null may be missing: an older bundle does not have it.
    """
    columns = _columns(table)
    required = {name for name, column in columns.items() if not column.nullable}
    if not isinstance(row, dict) or not required <= set(row) <= set(columns):
        return f"a row has the fields {', '.join(sorted(columns))}"
    for name, value in row.items():
        if not _fits(columns[name], value):
            return f"{name} is {str(value)[:40]!r}, not {_accepted(columns[name].type)}"
    return None


def completed(table: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with null for every column that it leaves out."""
    return {name: row.get(name) for name in _columns(table)}


def _columns(table: str) -> "dict[str, Column[Any]]":
    absent = ABSENT.get(table, set())
    return {column.name: column for column in Base.metadata.tables[table].columns if column.name not in absent}


def _fits(column: "Column[Any]", value: Any) -> bool:
    kind = column.type
    if value is None:
        return bool(column.nullable)
    if isinstance(kind, JSON):
        return isinstance(value, dict | list) and _is_storable(value)
    if kind.python_type is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    if isinstance(kind, String):
        return isinstance(value, str) and len(value) <= (kind.length or len(value)) and _is_storable(value)
    if kind.python_type is int:
        return type(value) is int and abs(value) < (2**63 if isinstance(kind, BigInteger) else 2**31)
    return type(value) is kind.python_type


def _is_storable(value: Any) -> bool:
    """Whether both databases take a JSON value: no NUL, no half of a surrogate pair, no number that is not finite."""
    if isinstance(value, str):
        return all(sign != "\0" and not "\ud800" <= sign <= "\udfff" for sign in value)
    if isinstance(value, dict):
        return all(_is_storable(key) and _is_storable(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(_is_storable(inner) for inner in value)
    return not isinstance(value, float) or math.isfinite(value)


def _accepted(kind: TypeEngine[Any]) -> str:
    if isinstance(kind, JSON):
        return "a JSON object or list"
    length = f" of at most {kind.length} characters" if isinstance(kind, String) and kind.length else ""
    return {str: "a text", int: "a whole number", float: "a finite number"}.get(
        kind.python_type, "a value that fits"
    ) + length


TABLES: dict[str, type[Base]] = {
    table.__tablename__: table
    for table in (
        ArtifactRow,
        TaskRow,
        NetworkRow,
        TaskNetworkRow,
        TaskCellRow,
        CellTrainingRow,
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
        """Every finished baseline with its networks, cells and their trainings, genotypes, Fisher summaries and the
        distances between them.

        By table, in the order of `TABLES`; a task comes without its job, which belongs to this installation.
        """
        tasks = select(TaskRow.id).join(JobRow, JobRow.id == TaskRow.job_id)
        tasks = tasks.where(TaskRow.role == TaskRole.BASELINE, JobRow.state == JobState.SUCCEEDED)
        networks = select(TaskNetworkRow.network_key).where(TaskNetworkRow.task_id.in_(tasks))
        cells = select(TaskCellRow.network_key).where(TaskCellRow.task_id.in_(tasks))
        stored = NetworkRow.key.in_(networks) | NetworkRow.key.in_(cells)
        genotypes = select(TaskGenotypeRow.genotype_id).where(TaskGenotypeRow.task_id.in_(tasks))
        weights = select(NetworkRow.weights).where(stored)
        seen = select(TaskRow.seen_images).where(TaskRow.id.in_(tasks), TaskRow.seen_images.is_not(None))
        wanted: dict[type[Base], ColumnElement[bool]] = {
            ArtifactRow: ArtifactRow.digest.in_(weights) | ArtifactRow.digest.in_(seen),
            TaskRow: TaskRow.id.in_(tasks),
            NetworkRow: stored,
            TaskNetworkRow: TaskNetworkRow.task_id.in_(tasks),
            TaskCellRow: TaskCellRow.task_id.in_(tasks),
            CellTrainingRow: CellTrainingRow.task_id.in_(tasks),
            GenotypeRow: GenotypeRow.id.in_(genotypes),
            TaskGenotypeRow: TaskGenotypeRow.task_id.in_(tasks),
            FisherSummaryRow: FisherSummaryRow.network_key.in_(networks),
            DistanceRow: DistanceRow.source_network.in_(networks) & DistanceRow.target_network.in_(networks),
        }
        rows = {name: self._rows(select(table).where(wanted[table])) for name, table in TABLES.items()}
        for task in rows["tasks"]:
            del task["job_id"]
            task["dataset"] = shown_reference(task["dataset"])  # a query may grant access to the images
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
            **{
                name: [link for link in rows[name] if link["task_id"] in fresh]
                for name in ("task_networks", "task_cells", "cell_trainings")
            },
            "task_genotypes": [
                {**link, "genotype_id": genotype_ids.get(link["genotype_id"], link["genotype_id"])}
                for link in rows["task_genotypes"]
                if link["task_id"] in fresh
            ],
        }
        for name, table in TABLES.items():
            self._store(table, stored[name])
        known = [task["name"] for task in rows["tasks"] if task["id"] in there]
        return Imported(tuple(task["name"] for task in new), tuple(known))

    def _store(self, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
        """Store the missing rows; lock those that the cleaner might remove (`removable`) until the transaction ends."""
        insert_missing(self._session, table, rows)
        key = {ArtifactRow: ArtifactRow.digest, NetworkRow: NetworkRow.key, GenotypeRow: GenotypeRow.id}.get(table)
        if key is None:
            return
        wanted = {row[key.key] for row in rows}
        held = self._session.scalars(select(key).where(key.in_(wanted)).order_by(key).with_for_update()).all()
        if len(held) < len(wanted) and table is not GenotypeRow:  # one was just removed; a genotype may have another id
            self._store(table, rows)

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
        return {id: stored for id, stored in pairs if stored is not None}

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
