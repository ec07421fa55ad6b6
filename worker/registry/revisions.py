"""A token that tells whether the matrix of distances may have changed, so that whoever rendered it can keep it.

Whatever transaction changes a table behind the matrix gives it a new token as its last act, and in the same commit.
So whoever reads the token and then the tables can never hold rows older than the token says. The token is drawn, not
counted: a database that is restored has the token that its rows had, and none that others had meanwhile.

Only what goes through a `WatchedSession` is noticed: `unit_of_work`, the one way to write. Raw SQL past it (by hand, in
a migration) has to draw a token itself or to delete the row, or kept answers outlive what they tell of.
On SQLite the token costs a few microseconds (`RevisionWatch`), on PostgreSQL a round trip with every request.
"""

from itertools import chain
from typing import Any

from sqlalchemy import Engine, Result, bindparam, event, inspect, select
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction

from worker.registry.base import new_id
from worker.registry.first_wins import insert_into
from worker.registry.models import Distance, Revision, Task, TaskNetwork
from worker.registry.quick_reader import Question, QuickReader

MATRIX = "matrix"
_WATCHED = (Task, TaskNetwork, Distance)
_TABLES = frozenset(entity.__table__ for entity in _WATCHED)
_CHANGED = "the matrix has changed"
_REVISIONS = Revision.__table__.c
_TOKEN = select(_REVISIONS.token).where(_REVISIONS.name == bindparam("name"))
_PEEK = Question(_TOKEN)


class WatchedSession(Session):
    """A session that notices what changes in the tables behind the matrix, by rows or by statements."""


@event.listens_for(WatchedSession, "do_orm_execute")
def _on_statement(state: ORMExecuteState) -> Result[Any] | None:
    writes = state.is_insert or state.is_update or state.is_delete
    if not writes or getattr(state.statement, "table", None) not in _TABLES:
        return None
    result = state.invoke_statement(execution_options={"preserve_rowcount": True})
    if getattr(result, "rowcount", -1) != 0:  # -1 where the driver cannot tell
        state.session.info[_CHANGED] = True
    return result


@event.listens_for(WatchedSession, "after_flush")
def _on_flush(session: Session, flushed: UOWTransaction) -> None:
    rows = [row for row in chain(session.new, session.deleted) if isinstance(row, _WATCHED)]
    if rows or any(map(_is_changed, session.dirty)):
        session.info[_CHANGED] = True


def _is_changed(row: object) -> bool:
    if isinstance(row, Task):  # the matrix shows no more of it, and a job writes the rest several times
        return any(inspect(row).attrs[name].history.has_changes() for name in ("name", "role"))
    return isinstance(row, _WATCHED)


def revise(session: Session) -> None:
    """Give the matrix a new token if this transaction changed what it is made of. To be called last in a transaction.

    Last, because the row is locked from here to the commit: a transaction that waits for nothing more cannot take
    part in a deadlock.
    """
    session.flush()
    if session.info.pop(_CHANGED, False):
        row = {"name": MATRIX, "token": new_id()}
        insert = insert_into(session, Revision)
        session.execute(insert.values(row).on_conflict_do_update(index_elements=["name"], set_={"token": row["token"]}))


def matrix_revision(session: Session) -> str | None:
    """The token of what is committed, None before the first write."""
    token: str | None = session.connection().execute(_TOKEN, {"name": MATRIX}).scalar()
    return token


class RevisionWatch:
    """Reads the token so quickly that an event loop may (see `quick_reader`)."""

    def __init__(self, engine: Engine) -> None:
        self._reader = QuickReader(engine)

    def peek(self) -> str | None:
        """The same without waiting; on PostgreSQL only a transaction can tell so."""
        rows = self._reader.rows(_PEEK, name=MATRIX)
        return rows[0][0] if rows else None

    async def look(self) -> str | None:
        """The token of what is committed now; None where only a transaction can tell, and before the first write."""
        rows = await self._reader.ask(_PEEK, name=MATRIX)
        return rows[0][0] if rows else None

    def close(self) -> None:
        """Close the connection; it is opened anew when needed."""
        self._reader.close()
