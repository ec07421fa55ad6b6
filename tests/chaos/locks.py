"""Whether a process holds locks in the database for longer than a short transaction does, seen from outside."""

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass

from sqlalchemy import Engine, make_url, text

LOOK_APART_SECONDS = 0.3
"""A transaction that is the same in two looks so far apart counts as one that holds its locks."""

CHAOS = "chaos"
"""The `application_name` of the connections of chaos itself; the fleet's are all others."""

# A transaction that has locked or written a row has a lock on the row's table that plain readers do not have.
_BACKENDS = """
    SELECT activity.pid, activity.xact_start::text AS began, activity.query AS statement
    FROM pg_stat_activity AS activity
    WHERE activity.datname = current_database() AND activity.backend_type = 'client backend'
      AND activity.pid <> pg_backend_pid() AND activity.application_name <> :chaos
"""
_HOLDERS = f"""{_BACKENDS}
      AND activity.xact_start IS NOT NULL
      AND EXISTS (
        SELECT FROM pg_locks WHERE pg_locks.pid = activity.pid AND pg_locks.granted
          AND pg_locks.locktype = 'relation' AND pg_locks.mode <> 'AccessShareLock'
      )
"""


@dataclass(frozen=True)
class Backend:
    """A process of PostgreSQL that serves the fleet.

    Attributes:
        began: when its transaction began, None outside of any.
        statement: its last statement in that transaction.
    """

    pid: int
    began: str | None
    statement: str | None


def with_own_name(database_url: str) -> str:
    """The URL for a connection of chaos itself, which `lock_held` does not count."""
    url = make_url(database_url)
    if url.get_backend_name() != "postgresql":
        return database_url
    return url.update_query_dict({"application_name": CHAOS}).render_as_string(hide_password=False)


def lock_held(engine: Engine) -> bool:
    """Whether a transaction of the fleet holds its locks throughout `LOOK_APART_SECONDS`.

    PostgreSQL: one backend, in one transaction with a lock for writing, in both of two looks. SQLite: the write lock
    cannot be had within this time.
    """
    if engine.dialect.name == "postgresql":
        before = _holders(engine)
        time.sleep(LOOK_APART_SECONDS)
        return bool(before & _holders(engine))
    assert engine.url.database is not None
    with closing(sqlite3.connect(engine.url.database, timeout=LOOK_APART_SECONDS, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            return True
        connection.execute("ROLLBACK")
    return False


def backend_with_locks(engine: Engine) -> Backend | None:
    """A process whose transaction holds a lock for writing at this moment."""
    return next(iter(_backends(engine, _HOLDERS)), None)


def any_backend(engine: Engine) -> Backend:
    """A process that serves the fleet, in a transaction if one is."""
    backends = _backends(engine, _BACKENDS)
    return max(backends, key=lambda backend: backend.began is not None)


def _holders(engine: Engine) -> set[tuple[int, str | None]]:
    """Process and beginning of each transaction of the fleet that holds a lock for writing."""
    return {(backend.pid, backend.began) for backend in _backends(engine, _HOLDERS)}


def _backends(engine: Engine, query: str) -> list[Backend]:
    with engine.connect() as connection:
        rows = connection.execute(text(query), {"chaos": CHAOS}).all()
    return [Backend(row.pid, row.began, row.statement if row.began else None) for row in rows]
