"""A connection to PostgreSQL with a time limit on every wait."""

import math
from collections.abc import Generator, Mapping
from typing import Any, Self, TypeVar

import psycopg
from psycopg import pq

from worker.registry.postgresql import ANSWER_RESERVE_SECONDS, Limits

T = TypeVar("T")

FIRST_ANSWER_SECONDS = 10.0
"""How long a new connection waits for the answer to its first statement, which sets the limits."""

DATABASE_ERRORS = (psycopg.Error, OSError)
"""The errors that a quick question may raise if the database has a problem."""

# Only settings that this server's version has, and that the URL does not set (`options=-c lock_timeout=5s`).
_SET_LIMITS = """
SELECT pg_settings.name,
       CASE WHEN source = 'client' THEN setting ELSE set_config(pg_settings.name, wanted.milliseconds, false) END
FROM pg_settings JOIN unnest(%s::text[], %s::text[]) AS wanted (name, milliseconds) ON wanted.name = pg_settings.name
"""
_MILLISECONDS = {"": 1, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


class LimitedConnection(psycopg.Connection[Any]):
    """psycopg's connection, which also stops waiting for a server that does not answer.

    The server's own limits end a statement while the server works. One whose process is stopped, or behind a network
    that drops packets, cannot end anything, and the kernel at the other end may still acknowledge sent data.

    Attributes:
        answer_seconds: how long an answer may take; then the connection is closed. None for no limit.
    """

    answer_seconds: float | None = None

    @classmethod
    def within(cls, limits: Limits, *arguments: Any, **parameters: Any) -> Self:
        """Connect, and set the limits for the session; settings in the URL's `options` take precedence.

        Raises:
            psycopg.OperationalError: no connection can be made, or the server does not answer.
        """
        connection = cls.connect(*arguments, **parameters)
        connection.answer_seconds = FIRST_ANSWER_SECONDS
        settings = limits.settings()
        effective = dict(connection.execute(_SET_LIMITS, [[*settings], [*settings.values()]]).fetchall())
        connection.commit()
        seconds = _milliseconds(effective["statement_timeout"]) / 1000
        connection.answer_seconds = seconds + ANSWER_RESERVE_SECONDS if seconds else None
        return connection

    def wait(self, gen: Generator[Any, Any, T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Wait for the server as psycopg does, for `answer_seconds` at most.

        Raises:
            psycopg.OperationalError: no answer came in time, or the connection broke; it is closed.
        """
        try:
            return super().wait(gen, interval, self.answer_seconds if timeout is None else timeout)
        except psycopg.OperationalError as error:
            if self.pgconn.transaction_status != pq.TransactionStatus.ACTIVE:
                raise  # the server did answer: with this error
            self.pgconn.finish()
            raise psycopg.OperationalError(f"the server did not answer: {error}") from error


class QuickConnection(psycopg.AsyncConnection[Any]):
    """psycopg's connection for an event loop, which stops waiting for an answer after `answer_seconds`."""

    answer_seconds: float | None = None

    async def wait(self, gen: Generator[Any, Any, T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Wait for the server as psycopg does, for `answer_seconds` at most.

        After a timeout of asyncio, psycopg itself would cancel the statement and wait for the cancellation.

        Raises:
            psycopg.OperationalError: no answer came in time, or the connection broke.
        """
        return await super().wait(gen, interval, self.answer_seconds if timeout is None else timeout)


async def open_quick(arguments: Mapping[str, Any], answer_seconds: float) -> QuickConnection:
    """Open a connection for single statements; the server answers or ends each one soon after `answer_seconds`.

    Raises:
        psycopg.OperationalError: no connection can be made.
    """
    limit = f"-c statement_timeout={round(2000 * answer_seconds)}"
    options = {"options": f"{arguments.get('options', '')} {limit}", "connect_timeout": math.ceil(answer_seconds)}
    connection = await QuickConnection.connect(**{**arguments, **options}, autocommit=True)
    connection.answer_seconds = answer_seconds
    return connection


def _milliseconds(setting: str) -> int:
    """A time as PostgreSQL writes it: `15000` or, from `set_config`, `15s`."""
    number = setting.rstrip("abcdefghijklmnopqrstuvwxyz")
    return int(number) * _MILLISECONDS[setting.removeprefix(number)]
