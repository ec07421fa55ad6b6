"""A token that changes with the matrix of distances, so that a process can cache a rendered matrix.

Every transaction that changes a table behind the matrix inserts a mark with a random number, in the same commit. The
token is the sum of all marks: it grows with every such commit. So a reader that reads the token first and then the
tables never holds rows older than its token. The numbers are drawn, not counted: a restored database has the token of
its rows, and never a token that other rows had in the meantime. The cleaner folds marks into one with their sum
(`folding`).

Marks are inserted, because a row that every transaction updates would be locked until each commit, and one frozen
process would stop all the others. A sequence does not work: it moves before the commit, and a reader between the two
would cache old rows under the new token.

Only changes through a `WatchedSession` are noticed: `unit_of_work`, the one way to write. Raw SQL past it (by hand, in
a migration) has to insert a mark itself, or cached answers outlive the rows.
On SQLite the token costs a few microseconds through a `QuickReader`, on PostgreSQL a round trip with every request.
"""

import secrets
from collections.abc import Sequence
from itertools import chain
from typing import Any

from sqlalchemy import BigInteger, Result, cast, event, func, insert, inspect, select
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction

from worker.registry.tables import DistanceRow, RevisionMarkRow, RevisionRow, TaskNetworkRow, TaskRow

MATRIX = "matrix"
_WATCHED = (TaskRow, TaskNetworkRow, DistanceRow)
_TABLES = frozenset(entity.__table__ for entity in _WATCHED)
_CHANGED = "the matrix has changed"
_REVISIONS, _MARKS = RevisionRow.__table__.c, RevisionMarkRow.__table__.c
# Programs before migration 0012 draw the first one; they may run at the same time as this one.
MATRIX_REVISION = select(
    select(_REVISIONS.token).where(_REVISIONS.name == MATRIX).scalar_subquery(),
    select(cast(func.sum(_MARKS.number), BigInteger)).where(_MARKS.name == MATRIX).scalar_subquery(),
)
"""The one row that `revision_of` makes a token of."""


class WatchedSession(Session):
    """A session that notices changes in the tables behind the matrix, by rows or by statements."""


@event.listens_for(WatchedSession, "do_orm_execute")
def _on_statement(state: ORMExecuteState) -> Result[Any] | None:
    writes = state.is_insert or state.is_update or state.is_delete
    if not writes or getattr(state.statement, "table", None) not in _TABLES:
        return None
    result = state.invoke_statement(execution_options={"preserve_rowcount": True})
    if getattr(result, "rowcount", -1) != 0:  # -1 if the driver does not know
        state.session.info[_CHANGED] = True
    return result


@event.listens_for(WatchedSession, "after_flush")
def _on_flush(session: Session, flushed: UOWTransaction) -> None:
    rows = [row for row in chain(session.new, session.deleted) if isinstance(row, _WATCHED)]
    if rows or any(map(_is_changed, session.dirty)):
        session.info[_CHANGED] = True


def _is_changed(row: object) -> bool:
    if isinstance(row, TaskRow):  # the matrix shows no other column, and a job writes the others several times
        return any(inspect(row).attrs[name].history.has_changes() for name in ("name", "role"))
    return isinstance(row, _WATCHED)


def revise(session: Session) -> None:
    """Mark that the matrix changed, if this transaction changed its tables. Call it last in a transaction."""
    session.flush()
    if session.info.pop(_CHANGED, False):
        # From 1: every mark makes the sum grow. 31 bits: 4 billion of them stay within a column of 63.
        session.execute(insert(RevisionMarkRow).values(name=MATRIX, number=1 + secrets.randbelow(2**31 - 1)))


def matrix_revision(session: Session) -> str | None:
    """The token of the committed rows; None before the first write."""
    return revision_of(session.connection().execute(MATRIX_REVISION).all())


def revision_of(rows: Sequence[Sequence[Any]]) -> str | None:
    """The token in the rows of `MATRIX_REVISION`; None before the first write."""
    [[drawn, marks]] = rows
    return None if drawn is None and marks is None else f"{drawn or ''}{marks or 0:x}"
