"""Reads that are fast enough for an event loop: without a thread or a transaction around them.

On SQLite they do not wait either: its readers never wait for a writer. On PostgreSQL the loop runs other work in the
meantime. Both have their own connection, because those of the pool may all be in use. After any problem they return
nothing, and the caller must use a transaction.
"""

import sqlite3
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Select, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql.psycopg import dialect as psycopg_dialect

from worker.registry.quick_postgresql import QuickPostgresql


class Question:
    """A statement that reads plain values, for a `QuickReader` or a transaction."""

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        self.statement = statement
        compiled = statement.compile(dialect=sqlite.dialect(paramstyle="named"))
        self.text = str(compiled)
        self.constants = dict(compiled.params)

    @cached_property
    def postgresql_text(self) -> str:
        """The statement as psycopg takes it, its parameters by their names."""
        return str(self.statement.compile(dialect=psycopg_dialect()))  # type: ignore[no-untyped-call]


class QuickReader:
    """One reading connection to a database."""

    def __init__(self, engine: Engine) -> None:
        self._path = engine.url.database if engine.dialect.name == "sqlite" else None
        self._postgresql = QuickPostgresql(engine) if engine.dialect.name == "postgresql" else None
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        event.listen(engine, "engine_disposed", lambda disposed: self.close())

    async def ask(self, question: Question, **parameters: Any) -> Sequence[tuple[Any, ...]] | None:
        """The rows as committed now; None if the caller must use a transaction."""
        if self._postgresql is not None:
            return await self._postgresql.rows(question.postgresql_text, question.constants | parameters)
        return self.rows(question, **parameters)

    def rows(self, question: Question, **parameters: Any) -> list[tuple[Any, ...]] | None:
        """The same without waiting; only on SQLite."""
        if self._path is None:
            return None
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = _open_reader(self._path)
                return self._connection.execute(question.text, question.constants | parameters).fetchall()
            except sqlite3.Error:
                return None

    def close(self) -> None:
        """Close the connection; it is opened again when needed."""
        if self._postgresql is not None:
            self._postgresql.close()
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None


def _open_reader(path: str) -> sqlite3.Connection:
    # The file must exist (`rw` does not create it), and the reader never waits for a lock.
    location = f"{Path(path).resolve().as_uri()}?mode=rw"
    connection = sqlite3.connect(location, uri=True, timeout=0.0, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA query_only = 1")
    return connection
