"""Rows under a content key: the first stored wins, the second writer finds its row."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.sqlite import Insert
from sqlalchemy.orm import Session

from worker.registry.base import Base


def keep_first(session: Session, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows, leaving out those whose key is there already (`ON CONFLICT DO NOTHING`)."""
    if not rows:
        return
    session.execute(insert_into(session, table).on_conflict_do_nothing(), list(rows))


def insert_into(session: Session, table: type[Base]) -> Insert | postgresql.Insert:
    """An INSERT of the session's database, which knows `ON CONFLICT`."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    insert: Insert | postgresql.Insert = dialect.insert(table.__table__)
    return insert
