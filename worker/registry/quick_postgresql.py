"""Single statements to PostgreSQL from an event loop: one connection, one round trip for each, no transaction."""

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
"""How long an answer may take, a connection, and the wait for a turn."""

REST_SECONDS = 1.0
"""After trouble: for how long whoever asks is sent to a transaction at once."""


class QuickPostgresql:
    """One connection of the event loop that asks; opened at the first question, and anew after trouble."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turn = asyncio.Lock()
        self._connection: AsyncConnection[tuple[Any, ...]] | None = None
        self._resting_until = 0.0

    async def rows(self, text: str, parameters: Mapping[str, Any]) -> Sequence[tuple[Any, ...]] | None:
        """The rows as they are committed now; None where anything was in the way."""
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
        """Close the connection; it is opened anew when needed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):  # what it was in the middle of does not matter any more
                connection.pgconn.finish()

    def _belong_to(self, loop: asyncio.AbstractEventLoop) -> None:
        """A connection and a lock work on the loop that they were made on."""
        if loop is not self._loop:
            self.close()
            self._loop, self._turn = loop, asyncio.Lock()
