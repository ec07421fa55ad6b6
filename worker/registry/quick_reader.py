"""Reads that are fast enough for an event loop: without a thread or a transaction around them.

On SQLite they do not wait: its readers never wait for a writer. On PostgreSQL the loop runs other work in the meantime.
Both have their own connection, because those of the pool may all be in use. After any problem the query runs again, in
a transaction in a thread, which waits longer and reports the error.
"""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, Select, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql.psycopg import dialect as psycopg_dialect

from worker.registry.postgresql import connect_arguments
from worker.registry.session import read_only, translated

if TYPE_CHECKING:
    from psycopg import AsyncConnection

PATIENCE_SECONDS = 1.0
"""On PostgreSQL: the limit on an answer, on connecting, and on the wait for the connection."""

REST_SECONDS = 1.0
"""On PostgreSQL: after an error, queries go to a transaction at once for this long."""

THREADS = 16
"""Transactions at once: one more than the pool has connections."""

Question = Select[*tuple[Any, ...]]
Rows = Sequence[Sequence[Any]]


class QuickReader:
    """Answers single queries of plain values."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection = (_Sqlite if engine.dialect.name == "sqlite" else _Postgresql)(engine)
        self._threads = ThreadPoolExecutor(THREADS, "read")
        event.listen(engine, "engine_disposed", lambda disposed: self._connection.close())

    async def ask(self, question: Question, **parameters: Any) -> Rows:
        """The currently committed rows.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        rows = await self.ask_once(question, **parameters)
        if rows is not None:
            return rows
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._in_transaction, question, parameters)

    async def ask_once(self, question: Question, **parameters: Any) -> Rows | None:
        """The same without a thread; None after any problem."""
        text, constants = _compiled(question, self._engine.dialect.name)
        return await self._connection.rows(text, {**constants, **parameters})

    def _in_transaction(self, question: Question, parameters: Mapping[str, Any]) -> Rows:
        with translated(), read_only(self._engine).connect() as connection:
            return connection.execute(question, parameters).all()


@cache
def _compiled(question: Question, database: str) -> tuple[str, Mapping[str, Any]]:
    """The statement as the driver takes it, its parameters by their names; and the values that it contains itself."""
    dialect = sqlite.dialect(paramstyle="named") if database == "sqlite" else psycopg_dialect()  # type: ignore[no-untyped-call]
    compiled = question.compile(dialect=dialect)
    constants = {}
    for name, value in compiled.params.items():
        process = compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect)
        constants[name] = value if process is None or value is None else process(value)
    return str(compiled), constants


class _Sqlite:
    """A connection that never waits for a lock; opened at the first query."""

    def __init__(self, engine: Engine) -> None:
        self._path = Path(engine.url.database or "")
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()

    async def rows(self, text: str, parameters: Mapping[str, Any]) -> Rows | None:
        with self._lock:
            try:
                self._connection = self._connection or self._opened()
                return self._connection.execute(text, parameters).fetchall()
            except sqlite3.Error:
                return None

    def close(self) -> None:
        """Close the connection; it is opened again when needed."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def _opened(self) -> sqlite3.Connection:
        # The file must exist: `rw` does not create it.
        location = f"{self._path.resolve().as_uri()}?mode=rw"
        connection = sqlite3.connect(location, uri=True, timeout=0.0, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA query_only = 1")
        return connection


class _Postgresql:
    """A connection of the calling event loop; opened at the first query, and again after an error."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn = asyncio.Lock()
        self._connection: AsyncConnection[tuple[Any, ...]] | None = None
        self._resting_until = 0.0

    async def rows(self, text: str, parameters: Mapping[str, Any]) -> Rows | None:
        # Not at the top: it loads psycopg, which takes a while and which SQLite does not need.
        from worker.registry.limited_connection import DATABASE_ERRORS, open_quick

        self._belong_to(asyncio.get_running_loop())
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._turn.acquire()
        except TimeoutError:
            return None
        try:
            if time.monotonic() < self._resting_until:
                return None
            if self._connection is None:
                self._connection = await open_quick(connect_arguments(self._engine), PATIENCE_SECONDS)
            cursor = await self._connection.execute(text, parameters)
            return await cursor.fetchall()
        except DATABASE_ERRORS:
            self.close()
            self._resting_until = time.monotonic() + REST_SECONDS
            return None
        finally:
            self._turn.release()

    def close(self) -> None:
        """Close the connection; it is opened again when needed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):  # its current operation no longer matters
                connection.pgconn.finish()

    def _belong_to(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start over on a new event loop: a connection and a lock only work on the loop that created them."""
        if loop is not self._loop:
            self.close()
            self._loop, self._turn = loop, asyncio.Lock()
