"""Rows under a content key: the first one stored wins, and a second writer gets that row."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import inspect, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.sqlite import Insert
from sqlalchemy.orm import InstrumentedAttribute, Session

from worker.registry.base import Base, DatabaseNow

FRESH_SECONDS = 3600.0
"""A row younger than this is not renewed: far less than the day after which the cleaner removes one."""


def insert_missing(session: Session, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows, except those whose key exists already (`ON CONFLICT DO NOTHING`).

    In the order of their keys, so that two transactions that store the same rows never deadlock.
    """
    if not rows:
        return
    key = [column.name for column in inspect(table).primary_key]
    ordered = sorted(rows, key=lambda row: tuple(row[name] for name in key))
    session.execute(insert_into(session, table).on_conflict_do_nothing(), ordered)


def insert_or_renew(session: Session, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """`insert_missing`; existing rows count as stored now (`created_at`), so that the cleaner does not remove them.

    Each row is locked against removal until the transaction ends; if one is being removed, wait for that, and store it
    again. A row that was stored or renewed within `FRESH_SECONDS` gets a shared lock, so jobs on equal content do not
    wait for each other.
    """
    if not rows:
        return
    [key] = [column.name for column in inspect(table).primary_key]
    fresh = hold_fresh(session, getattr(table, key), [row[key] for row in rows])
    ordered = sorted((row for row in rows if row[key] not in fresh), key=lambda row: row[key])
    if ordered:
        renew = {"created_at": DatabaseNow()}
        session.execute(insert_into(session, table).on_conflict_do_update(index_elements=[key], set_=renew), ordered)


def hold_fresh(session: Session, key: InstrumentedAttribute[str], values: Collection[str]) -> set[str]:
    """The values whose rows are fresh; no process removes these rows before the transaction ends.

    `key` is the column of the values, in a table with a `created_at`.
    """
    fresh = key.class_.created_at > DatabaseNow() - FRESH_SECONDS
    return set(
        session.scalars(
            select(key)
            .where(key.in_(values), fresh)
            .order_by(key)
            .with_for_update(read=True, key_share=True)  # shared with every process except the cleaner
        )
    )


def insert_into(session: Session, table: type[Base]) -> Insert | postgresql.Insert:
    """An INSERT of the session's database with support for `ON CONFLICT`."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    insert: Insert | postgresql.Insert = dialect.insert(table.__table__)
    return insert
