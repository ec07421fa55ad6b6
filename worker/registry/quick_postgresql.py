"""Single statements to PostgreSQL from an event loop: one connection, one round trip each, no transaction."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from worker.registry.postgresql import connect_arguments

if TYPE_CHECKING:
    from psycopg import AsyncConnection

PATIENCE_SECONDS = 1.0
"""The limit on an answer, on connecting, and on the wait for the connection."""

REST_SECONDS = 1.0
"""After an error, callers are sent to a transaction at once for this long."""


class QuickPostgresql:
    """One connection of the calling event loop; opened at the first question, and again after an error."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn = asyncio.Lock()
        self._connection: AsyncConnection[tuple[Any, ...]] | None = None
        self._resting_until = 0.0

    async def rows(self, text: str, parameters: Mapping[str, Any]) -> Sequence[tuple[Any, ...]] | None:
        """The rows as committed now; None if anything went wrong."""
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
