"""Rows under a content key: the first stored wins, the second writer finds its row."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import inspect, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.sqlite import Insert
from sqlalchemy.orm import InstrumentedAttribute, Session

from worker.registry.base import Base, DatabaseNow

FRESH_SECONDS = 3600.0
"""How long a row need not be renewed: far less than the day after which a cleaner removes one."""


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

    Each row is locked against removal until the transaction ends; one that is being removed is waited for, and stored
    again. A row that was stored or renewed within `FRESH_SECONDS` is locked together with others who need it: jobs on
    equal content do not wait for each other.
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
    """Those of the values whose rows are fresh; nobody removes these rows before the transaction ends.

    `key` is the column, of a table with a `created_at`, that the values are in.
    """
    fresh = key.class_.created_at > DatabaseNow() - FRESH_SECONDS
    return set(
        session.scalars(
            select(key)
            .where(key.in_(values), fresh)
            .order_by(key)
            .with_for_update(read=True, key_share=True)  # shared with everyone but the cleaner
        )
    )


def insert_into(session: Session, table: type[Base]) -> Insert | postgresql.Insert:
    """An INSERT of the session's database, which knows `ON CONFLICT`."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    insert: Insert | postgresql.Insert = dialect.insert(table.__table__)
    return insert
