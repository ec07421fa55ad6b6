"""Reads so quick that an event loop may do them: without a thread, a transaction, or waiting.

SQLite alone offers that, whose readers wait for nobody. It has a connection of its own: the pool's may all be in
use. Elsewhere, and where anything at all is in the way, nothing is read, and a transaction has to tell.
"""

import sqlite3
import threading
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Select, event
from sqlalchemy.dialects import sqlite


class Question:
    """A statement that reads plain values, to be asked either way."""

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        self.statement = statement
        compiled = statement.compile(dialect=sqlite.dialect(paramstyle="named"))
        self.text = str(compiled)
        self.constants = dict(compiled.params)


class QuickReader:
    """One reading connection to an SQLite file; for other databases it knows nothing."""

    def __init__(self, engine: Engine) -> None:
        self._path = engine.url.database if engine.dialect.name == "sqlite" else None
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        event.listen(engine, "engine_disposed", lambda disposed: self.close())

    def rows(self, question: Question, **parameters: Any) -> list[tuple[Any, ...]] | None:
        """The rows as they are committed now; None where only a transaction can tell."""
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
        """Close the connection; it is opened anew when needed."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None


def _open_reader(path: str) -> sqlite3.Connection:
    # Must exist (`rw` makes no file), and never waits for a lock.
    location = f"{Path(path).resolve().as_uri()}?mode=rw"
    connection = sqlite3.connect(location, uri=True, timeout=0.0, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA query_only = 1")
    return connection
