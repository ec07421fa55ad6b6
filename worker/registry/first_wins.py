"""Rows under a content key: the first stored wins, the second writer finds its row."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from worker.registry.base import Base


def keep_first(session: Session, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows, leaving out those whose key is there already (`ON CONFLICT DO NOTHING`)."""
    if not rows:
        return
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    session.execute(dialect.insert(table.__table__).on_conflict_do_nothing(), list(rows))
