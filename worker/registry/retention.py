"""Removes old rows that nothing refers to.

A process that stores or reuses a removable row renews its `created_at` in the same transaction (`results`), unless it
was renewed within `FRESH_SECONDS`, so an old row is also unused. Each method removes a batch in the caller's
transaction; any number of processes may call it at once.
"""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, func, inspect, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from worker.registry.base import DatabaseNow
from worker.registry.states import DeliveryState, JobState
from worker.registry.tables import (
    ArchitectureRow,
    ArtifactRow,
    DatasetRow,
    DistanceRow,
    FisherSummaryRow,
    GenotypeRow,
    JobEventRow,
    JobRow,
    NetworkRow,
    RecommendationRow,
    TaskCellRow,
    TaskGenotypeRow,
    TaskNetworkRow,
    TaskRow,
    WebhookDeliveryRow,
    WebhookRow,
)
from worker.registry.upsert import FRESH_SECONDS

_COLUMNS: tuple[InstrumentedAttribute[Any], ...] = (
    *(DatasetRow.sha256, DatasetRow.samples, TaskRow.seen_images, TaskRow.samples, NetworkRow.weights),
    *(getattr(ArchitectureRow, file) for file in ("weights", "code", "program", "onnx", "card")),
)

_IN_DOCUMENTS: tuple[ColumnElement[str], ...] = (
    ArchitectureRow.design["weights"].as_string(),
    NetworkRow.test["predictions"].as_string(),
    ArchitectureRow.test["predictions"].as_string(),
    RecommendationRow.document[("test", "predictions")].as_string(),
    NetworkRow.test[("error_sheet", "artifact")].as_string(),
    ArchitectureRow.test[("error_sheet", "artifact")].as_string(),
    RecommendationRow.document[("test", "error_sheet", "artifact")].as_string(),
    FisherSummaryRow.summary[("diagonal", "artifact")].as_string(),
)
"""Digests inside a JSON column."""

OWNERS: tuple[InstrumentedAttribute[Any] | ColumnElement[Any], ...] = (*_COLUMNS, *_IN_DOCUMENTS)


_ENDED = tuple(state for state in JobState if state.ended)
_UNFINISHED = (JobState.QUEUED, JobState.RUNNING)
_WHAT_A_JOB_IS_FOR = (TaskRow, RecommendationRow, ArchitectureRow, WebhookRow)
REMOVED_AT_ONCE = 200
UNTRAINED = "untrained:"
"""The prefix of a source's name that does not stand for a network of the registry."""


class Removable:
    """Old rows that nothing refers to; `before` is in seconds since the epoch on the database's clock."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def before(self, seconds: float) -> float:
        """The time this many seconds ago, but not after the start of any unfinished job, whose results must stay."""
        now = self._session.execute(select(DatabaseNow())).scalar_one()
        oldest = self._session.scalar(select(func.min(JobRow.started_at)).where(JobRow.state.in_(_UNFINISHED)))
        # A job leaves a row alone that was renewed a short while before the job began.
        return min(now - seconds, now if oldest is None else oldest - FRESH_SECONDS)

    def count(self, before: float, unowned_before: float) -> dict[str, int]:
        """How many rows of each table would be removed now."""
        wanted = {**_wanted(before), ArtifactRow: _unowned(unowned_before)}
        return {
            table.__tablename__: self._session.scalar(select(func.count()).select_from(table).where(*conditions)) or 0
            for table, conditions in wanted.items()
        }

    def delete_events(self, before: float) -> int:
        """Events of jobs that ended before."""
        wanted = _wanted(before)[JobEventRow]
        ids = self._session.scalars(select(JobEventRow.id).where(*wanted).limit(REMOVED_AT_ONCE)).all()
        return self._deleted(JobEventRow, JobEventRow.id, ids, wanted)

    def delete_webhooks(self, before: float) -> int:
        """Webhooks of jobs that ended before, with their deliveries, unless one is still tried."""
        return self._delete(WebhookRow, WebhookRow.job_id, _wanted(before)[WebhookRow])

    def delete_jobs(self, before: float) -> int:
        """Jobs that ended before, and whose task, recommendation or architecture was deleted, or that never had one."""
        return self._delete(JobRow, JobRow.id, _wanted(before)[JobRow])

    def delete_networks(self, before: float) -> int:
        """Networks that no task links."""
        return self._delete(NetworkRow, NetworkRow.key, _wanted(before)[NetworkRow])

    def delete_distances(self, before: float) -> int:
        """Distances from or to deleted networks; `untrained:…` never stands for a stored network."""
        wanted = _wanted(before)[DistanceRow]
        key = inspect(DistanceRow).primary_key
        found = self._session.execute(
            select(*key).where(*wanted).limit(REMOVED_AT_ONCE).with_for_update(skip_locked=True)
        ).all()
        statement = delete(DistanceRow).where(tuple_(*key).in_([tuple(row) for row in found]), *wanted)
        result = self._session.execute(
            statement.returning(DistanceRow.measure), execution_options={"synchronize_session": False}
        )
        return len(result.all())

    def delete_summaries(self, before: float) -> int:
        """Fisher summaries of networks that no task links."""
        return self._delete(FisherSummaryRow, FisherSummaryRow.key, _wanted(before)[FisherSummaryRow])

    def delete_genotypes(self, before: float) -> int:
        """Searches without a genotype that a task links; each whole, since a part would look like a complete search."""
        wanted = _wanted(before)[GenotypeRow]
        keys = self._session.scalars(
            select(GenotypeRow.search_key).where(*wanted).distinct().limit(REMOVED_AT_ONCE)
        ).all()
        self._session.scalars(select(GenotypeRow.id).where(GenotypeRow.search_key.in_(keys)).with_for_update()).all()
        return self._deleted(GenotypeRow, GenotypeRow.search_key, keys, wanted)

    def delete_artifacts(self, before: float) -> int:
        """Rows of artifacts that no other row names; the caller removes their files, checked with `owned`."""
        return self._delete(ArtifactRow, ArtifactRow.digest, _unowned(before))

    def owned(self, digests: Collection[str]) -> set[str]:
        """The digests that any row names, including an artifact's own row."""
        found: set[str] = set(self._session.scalars(select(ArtifactRow.digest).where(ArtifactRow.digest.in_(digests))))
        for column in OWNERS:
            found.update(self._session.scalars(select(column).where(column.in_(digests))))
        return found

    def unfinished(self, job_ids: Collection[str]) -> set[str]:
        """The jobs that may still run."""
        statement = select(JobRow.id).where(JobRow.id.in_(job_ids), JobRow.state.in_(_UNFINISHED))
        return set(self._session.scalars(statement))

    def _delete(self, table: Any, key: Any, wanted: tuple[ColumnElement[bool], ...]) -> int:
        statement = select(key).where(*wanted).limit(REMOVED_AT_ONCE).with_for_update(skip_locked=True)
        return self._deleted(table, key, self._session.scalars(statement).all(), wanted)

    def _deleted(self, table: Any, key: Any, keys: Collection[Any], wanted: tuple[ColumnElement[bool], ...]) -> int:
        # The conditions are checked again: a row may have been renewed before it was locked.
        statement = delete(table).where(key.in_(keys), *wanted).returning(key)
        result = self._session.execute(statement, execution_options={"synchronize_session": False})
        return len(result.all())


def _wanted(before: float) -> dict[Any, tuple[ColumnElement[bool], ...]]:
    """The conditions, for each table, under which a row may be removed."""
    ended = (JobRow.state.in_(_ENDED), JobRow.finished_at < before)
    pending = exists().where(
        WebhookDeliveryRow.job_id == WebhookRow.job_id, WebhookDeliveryRow.state == DeliveryState.PENDING
    )
    sibling = aliased(GenotypeRow)
    linked = select(TaskGenotypeRow.genotype_id).join(sibling, sibling.id == TaskGenotypeRow.genotype_id)
    return {
        # Look up the job of each event, not the events of all jobs: jobs may number a hundred thousand, and on SQLite
        # no other process can write while this one searches for a batch.
        JobEventRow: (exists().where(JobRow.id == JobEventRow.job_id, *ended),),
        WebhookRow: (WebhookRow.job_id.in_(select(JobRow.id).where(*ended)), ~pending),
        JobRow: (*ended, *(~exists().where(table.job_id == JobRow.id) for table in _WHAT_A_JOB_IS_FOR)),
        NetworkRow: (
            NetworkRow.created_at < before,
            *(~exists().where(link.network_key == NetworkRow.key) for link in (TaskNetworkRow, TaskCellRow)),
        ),
        DistanceRow: (
            DistanceRow.created_at < before,
            ~exists().where(NetworkRow.key == DistanceRow.target_network)
            | ~exists().where(NetworkRow.key == DistanceRow.source_network)
            & ~DistanceRow.source_network.startswith(UNTRAINED),
        ),
        FisherSummaryRow: (
            FisherSummaryRow.created_at < before,
            ~exists().where(TaskNetworkRow.network_key == FisherSummaryRow.network_key),
        ),
        GenotypeRow: (
            GenotypeRow.created_at < before,
            ~linked.where(sibling.search_key == GenotypeRow.search_key).exists(),
        ),
    }


def _unowned(before: float) -> tuple[ColumnElement[bool], ...]:
    named = (~select(column).where(column == ArtifactRow.digest).exists() for column in OWNERS)
    return (ArtifactRow.created_at < before, *named)
