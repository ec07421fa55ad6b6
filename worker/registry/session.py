"""Opens the database, and provides the only two ways to access it: `unit_of_work` writes, `reading` reads."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from worker.errors import DatabaseUnavailableError
from worker.registry.counters import write_counts
from worker.registry.postgresql import LIMITS, POOL_SECONDS, Limits, defaults_missing_from
from worker.registry.registry import Registry
from worker.registry.revisions import WatchedSession, revise

__all__ = ["Engine", "open_engine", "read_only", "reading", "translated", "unit_of_work"]

BUSY_SECONDS = 20.0
"""On SQLite: how long a writer waits for a writer of another process, and for those of its own; any transaction for a
connection."""

_TURN = "ldnas_turn"

_CLIENT_TOO_SLOW = frozenset({"25P03", "25P04"})
"""PostgreSQL's error codes for a transaction that it ended because it was idle or took too long."""


def open_engine(database_url: str, limits: Limits = LIMITS) -> Engine:
    """The engine for a `sqlite:///` or `postgresql://` URL; it connects at the first use.

    `limits` are those of PostgreSQL's transactions. On SQLite a writer waits `BUSY_SECONDS` for another writer; writers
    of one process take turns.
    """
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        engine = create_engine(
            url,
            connect_args={"timeout": BUSY_SECONDS},
            pool_timeout=BUSY_SECONDS,
            execution_options={_TURN: threading.Lock()},
        )
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    return _open_postgresql(url, limits)


def _open_postgresql(url: URL, limits: Limits) -> Engine:
    # Not at the top: it loads psycopg, which takes a while and which SQLite does not need.
    from worker.registry.limited_connection import LimitedConnection

    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args=defaults_missing_from(url),
        pool_pre_ping=True,  # a restarted server must not cost one error per pooled connection
        pool_timeout=POOL_SECONDS,
    )

    def connect(dialect: Any, record: Any, arguments: list[Any], parameters: dict[str, Any]) -> LimitedConnection:
        return LimitedConnection.within(limits, *arguments, **parameters)

    event.listen(engine, "do_connect", connect)
    return engine


@contextmanager
def unit_of_work(engine: Engine) -> Iterator[Registry]:
    """One short writing transaction: committed when the block ends, rolled back when it raises.

    Rows handed out stay readable afterwards. On SQLite the write lock is taken at once (`BEGIN IMMEDIATE`): a
    transaction that began by reading could not be upgraded under contention.

    Raises:
        DatabaseUnavailableError: the database refused, timed out or broke off; nothing was written.
    """
    with translated(), _turn_of(engine), WatchedSession(engine, expire_on_commit=False) as session:
        yield Registry(session)
        write_counts(session)
        revise(session)
        session.commit()


@contextmanager
def _turn_of(engine: Engine) -> Iterator[None]:
    """On SQLite: the turn of this thread to write.

    SQLite itself lets a writer sleep for up to 0.1 s before it tries again, and then maybe another one was faster.
    """
    turn: threading.Lock | None = engine.get_execution_options().get(_TURN)
    if turn is None:
        yield
        return
    if not turn.acquire(timeout=BUSY_SECONDS):
        raise DatabaseUnavailableError("database is locked")
    try:
        yield
    finally:
        turn.release()


@contextmanager
def reading(engine: Engine) -> Iterator[Registry]:
    """One short reading transaction, in which all statements see one moment; the database refuses any write in it.

    Raises:
        DatabaseUnavailableError: the database refused, timed out or broke off.
    """
    with translated(), Session(read_only(engine), expire_on_commit=False, autoflush=False) as session:
        yield Registry(session)


def read_only(engine: Engine) -> Engine:
    """The same engine, with transactions that take no write lock and can change nothing."""
    if engine.dialect.name == "postgresql":
        # All statements must see the same rows, as on SQLite, which gives every transaction one snapshot.
        return engine.execution_options(postgresql_readonly=True, isolation_level="REPEATABLE READ")
    return engine.execution_options(ldnas_reading=True)


def _configure_sqlite(connection: sqlite3.Connection, record: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions by itself
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    only_reading = connection.get_execution_options().get("ldnas_reading", False)
    # Bypasses SQLAlchemy, which takes longer for a statement than SQLite takes for most, where one can neither wait nor
    # fail.
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.execute(f"PRAGMA query_only = {int(only_reading)}")
    if only_reading:
        driver.execute("BEGIN")
    else:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def translated() -> Iterator[None]:
    """Report failures of the database itself as the registry's own error."""
    try:
        yield
    except InternalError as error:
        if getattr(error.orig, "sqlstate", None) not in _CLIENT_TOO_SLOW:
            raise
        raise DatabaseUnavailableError(str(error.orig).strip()) from error
    except (OperationalError, InterfaceError, PoolTimeoutError) as error:
        reason = getattr(error, "orig", None) or error
        raise DatabaseUnavailableError(str(reason).strip()) from error
