"""Rows under a content key: the first stored wins, the second writer finds its row."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.sqlite import Insert
from sqlalchemy.orm import Session

from worker.registry.base import Base, DatabaseNow


def keep_first(session: Session, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows, leaving out those whose key is there already (`ON CONFLICT DO NOTHING`).

    In the order of their keys: two transactions that store the same rows wait for each other, never in a circle.
    """
    if not rows:
        return
    key = [column.name for column in inspect(table).primary_key]
    ordered = sorted(rows, key=lambda row: tuple(row[name] for name in key))
    session.execute(insert_into(session, table).on_conflict_do_nothing(), ordered)


def keep_fresh(session: Session, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """`keep_first`, and what is there already counts as stored now (`created_at`), so that no cleaner removes it.

    Its row is locked until the transaction ends; one that is being removed is waited for, and stored anew.
    """
    if not rows:
        return
    key = [column.name for column in inspect(table).primary_key]
    ordered = sorted(rows, key=lambda row: tuple(row[name] for name in key))
    renew = {"created_at": DatabaseNow()}
    session.execute(insert_into(session, table).on_conflict_do_update(index_elements=key, set_=renew), ordered)


def insert_into(session: Session, table: type[Base]) -> Insert | postgresql.Insert:
    """An INSERT of the session's database, which knows `ON CONFLICT`."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    insert: Insert | postgresql.Insert = dialect.insert(table.__table__)
    return insert
