"""The matrix of distances between tasks, computed from the distances between their networks."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from typing import Any, NamedTuple

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from worker.registry.states import TaskRole
from worker.registry.tables import DistanceRow, TaskNetworkRow, TaskRow

# Tables, not entities: a column of the matrix is thousands of rows, and the ORM would take longer than the database.
_ROWS_AT_ONCE = 1000
_DISTANCES = DistanceRow.__table__.c
_SOURCES, _TARGETS = (TaskNetworkRow.__table__.alias(name) for name in ("source", "target"))


class MatrixEntry(NamedTuple):
    """The distance from one task to another over their repetitions. A tuple, because a matrix holds very many.

    Attributes:
        mean: mean over repetitions r of d(network r of the source, network r of the target); may be negative by
            `logme` and `task2vec_asymmetric`, never by another measure.
        std: sample standard deviation over repetitions (n-1), None for a single one.
        repetitions: the number of measured pairs.
    """

    source_task_id: str
    target_task_id: str
    mean: float
    std: float | None
    repetitions: int


@dataclass(frozen=True)
class MeasuredRepetition:
    """The distance from network r of one task to network r of another.

    Attributes:
        standard_error: sampling error over images, in the measure's unit; None if the measure has none.
        contributions: layer and its share of `value`; None if the measure has none.
        created_at: seconds since the epoch.
    """

    repetition: int
    source_network: str
    target_network: str
    recipe_digest: str
    value: float
    signed: float
    standard_error: float | None
    contributions: list[tuple[str, float]] | None
    created_at: float


def measured_distances(
    session: Session,
    measure: str,
    recipe_digests: Collection[str],
    source_task_id: str | None,
    target_task_id: str | None,
) -> list[MatrixEntry]:
    """Every pair of tasks that was measured by one of the recipes, narrowed down to a source, a target, or both.

    The recipes may be of several architectures: all networks of a task have the same one, so no pair mixes them.
    """
    statement = _values(measure, recipe_digests)
    if source_task_id is not None:
        statement = statement.where(_SOURCES.c.task_id == source_task_id)
    if target_task_id is not None:
        statement = statement.where(_TARGETS.c.task_id == target_task_id)
    return _entries(session, statement)


def _values(measure: str, recipe_digests: Collection[str]) -> Select[*tuple[Any, ...]]:
    return _pairs(
        _SOURCES.c.task_id,
        _TARGETS.c.task_id,
        _SOURCES.c.repetition,
        _DISTANCES.value,
        measure=measure,
        recipes=recipe_digests,
    )


def measured_columns(
    session: Session, measure: str, recipe_digests: Collection[str], target_task_ids: Collection[str]
) -> list[MatrixEntry]:
    """The same for several targets: a part of the whole matrix, read from `ix_distances_column` alone.

    Unless the query names the targets, SQLite would read every distance, with all its layers.
    """
    return _entries(session, _values(measure, recipe_digests).where(_TARGETS.c.task_id.in_(target_task_ids)))


def _entries(session: Session, statement: Select[*tuple[Any, ...]]) -> list[MatrixEntry]:
    values: dict[tuple[str, str], dict[int, float]] = {}
    for source_id, target_id, repetition, value in chain.from_iterable(
        session.execute(statement).partitions(_ROWS_AT_ONCE)
    ):
        values.setdefault((source_id, target_id), {})[repetition] = value
    return [MatrixEntry(*pair, *spread([*measured.values()]), len(measured)) for pair, measured in values.items()]


def distances_among(
    session: Session, measure: str, recipe_digests: Collection[str], task_ids: Collection[str]
) -> list[MatrixEntry]:
    """Every measured pair with both tasks among these."""
    # As an expression, the source is compared once for each distance to a target; as a column, SQLite would look up
    # every task in an index instead, which takes fifteen times as long.
    source = _SOURCES.c.task_id.concat("")
    among = _values(measure, recipe_digests).where(_TARGETS.c.task_id.in_(task_ids), source.in_(task_ids))
    return _entries(session, among)


def measured_targets(session: Session, measure: str, recipe_digests: Collection[str]) -> dict[str, str]:
    """The names, by id, of all targets to which another task was measured; oldest first.

    A task is at distance 0 from itself before anything was measured, which does not count.
    """
    task = TaskRow.__table__.c
    measured = (
        select(_TARGETS.c.task_id)
        .join(DistanceRow.__table__, _DISTANCES.target_network == _TARGETS.c.network_key)
        .where(
            _TARGETS.c.task_id == task.id,
            _DISTANCES.measure == measure,
            _DISTANCES.recipe_digest.in_(recipe_digests),
            _DISTANCES.source_network != _DISTANCES.target_network,
        )
    )
    statement = select(task.id, task.name).where(task.role == TaskRole.TARGET, measured.exists())
    return dict(session.execute(statement.order_by(task.created_at, task.id)).all())


def measured_repetitions(
    session: Session, source_task_id: str, target_task_id: str, measure: str, recipe_digests: Collection[str]
) -> list[MeasuredRepetition]:
    """One pair of tasks in detail, by repetition; empty if it was not measured."""
    statement = _pairs(
        _SOURCES.c.repetition,
        *(_DISTANCES[field.name] for field in fields(MeasuredRepetition) if field.name != "repetition"),
        measure=measure,
        recipes=recipe_digests,
    ).where(_SOURCES.c.task_id == source_task_id, _TARGETS.c.task_id == target_task_id)
    latest = {row["repetition"]: MeasuredRepetition(**row) for row in session.execute(statement).mappings()}
    return [latest[repetition] for repetition in sorted(latest)]


def _pairs(*columns: Any, measure: str, recipes: Collection[str]) -> Select[*tuple[Any, ...]]:
    """Distances between equal repetitions. If a pair was measured on different images, the later distance comes last
    and counts.

    The query goes from the target to its distances to their sources: `ix_distances_column` covers a whole column.
    """
    return (
        select(*columns)
        .select_from(_TARGETS)
        .join(DistanceRow.__table__, _DISTANCES.target_network == _TARGETS.c.network_key)
        .join(
            _SOURCES,
            (_SOURCES.c.network_key == _DISTANCES.source_network) & (_SOURCES.c.repetition == _TARGETS.c.repetition),
        )
        .where(_DISTANCES.measure == measure, _DISTANCES.recipe_digest.in_(recipes))
        .order_by(_DISTANCES.created_at, _DISTANCES.data_key)
    )


def spread(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and sample standard deviation (n-1; None for a single value)."""
    # Not the module statistics: its exact fractions would take most of the time of a large matrix.
    count = len(values)
    mean = sum(values) / count
    return mean, math.sqrt(sum([(value - mean) ** 2 for value in values]) / (count - 1)) if count > 1 else None
