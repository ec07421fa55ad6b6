"""Authenticates requests: by a key in the `Authorization` header, a session cookie, or as an anonymous local caller."""

import re
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import cookie_parser

from service.api.errors import NoKeyError, WrongKeyError
from service.api.security.setup import is_loopback
from service.api.security.tokens import is_secret_of, prefix_of
from worker.errors import DatabaseUnavailableError
from worker.registry import (
    ACTIVE_KEY,
    ANY_KEY,
    COARSE_SECONDS,
    KEYS_OF_PREFIX,
    SESSIONS_OF_ID,
    Engine,
    Question,
    QuickReader,
    Scope,
    unit_of_work,
)

SESSION_COOKIE = "ldnas_session"
REMEMBERED_SECONDS = 1.0
"""On PostgreSQL: how long a key found in the database is cached, and so how long a revoked key is still valid."""

LOCAL_OWNER = "local"
"""The owner of jobs that are submitted while the service is open."""


@dataclass(frozen=True)
class Caller:
    """The sender of a request.

    Attributes:
        owner: owner of the jobs that the request creates: the id of a key, or `local`.
        name: name of the key, or `local`.
        scope: scope of the key; `admin` for local callers.
        session_id: id of the browser's session, if the request has one.
        prefix: the first characters of the key, which are not secret.
    """

    owner: str
    name: str
    scope: Scope
    session_id: str | None = None
    prefix: str | None = None

    @property
    def has_key(self) -> bool:
        """Whether the request has a key, or a session of one."""
        return self.owner != LOCAL_OWNER


# Every client that can reach an open service has all permissions.
LOCAL = Caller(owner=LOCAL_OWNER, name=LOCAL_OWNER, scope=Scope.ADMIN)


class Callers:
    """Authenticates requests, each by one query."""

    def __init__(self, engine: Engine, reader: QuickReader, host: str) -> None:
        self._engine = engine
        self._reader = reader
        self._only_this_machine = is_loopback(host)
        self._known: dict[tuple[Any, ...], tuple[Sequence[Sequence[Any]], float]] = {}
        self._noted: dict[str, float] = {}
        self._lock = threading.Lock()

    async def identify(self, headers: Mapping[str, str]) -> Caller:
        """The caller of a request with these headers (names in lower case).

        Raises:
            WrongKeyError: a key is required, and the request's key is not valid.
            NoKeyError: a key is required, and the request has none, or its session has expired.
            DatabaseUnavailableError: the database does not answer.
        """
        key = bearer_of(headers.get("authorization"))
        caller = await self.by_key(key) if key is not None else await self._by_session(headers.get("cookie"))
        if caller is not None:
            return caller
        if not await self.are_keys_demanded():
            return LOCAL
        raise NoKeyError if key is None else WrongKeyError

    async def are_keys_demanded(self) -> bool:
        """Whether a request needs a key: other hosts can reach the service, or a key was ever created.

        A registry with only revoked keys still requires one: revoking the last key must not open the service.
        """
        return not self._only_this_machine or bool(await self._ask_lately(ANY_KEY))

    async def still_admits(self, caller: Caller) -> bool:
        """Whether the caller would still be admitted now; for answers that stay open for hours.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        if caller.session_id is not None:
            return bool(await self._reader.ask(SESSIONS_OF_ID, id=caller.session_id))
        if caller.has_key:
            return bool(await self._reader.ask(ACTIVE_KEY, id=caller.owner))
        return not await self.are_keys_demanded()

    async def by_key(self, key: str) -> Caller | None:
        """The caller with this key, or None if the key is not valid."""
        if not (key.isascii() and key.isprintable()):  # a database may reject such a parameter
            return None
        rows = await self._ask_lately(KEYS_OF_PREFIX, prefix=prefix_of(key))
        return await self._matching(rows, key, session_id=None)

    async def _ask_lately(self, question: Question, **parameters: Any) -> Sequence[Sequence[Any]]:
        """Rows, cached for a second where a query costs a round trip; a key that was not found is not cached."""
        if self._engine.dialect.name == "sqlite":
            return await self._reader.ask(question, **parameters)
        asked, now = (question, *parameters.values()), time.monotonic()
        rows, until = self._known.get(asked, ((), 0.0))
        if now >= until:
            rows = await self._reader.ask(question, **parameters)
            self._known.pop(asked, None)
            if rows or not parameters:
                self._known[asked] = (rows, now + REMEMBERED_SECONDS)
        return rows

    async def _by_session(self, cookie: str | None) -> Caller | None:
        session_id, _, secret = cookie_parser(cookie or "").get(SESSION_COOKIE, "").partition(".")
        if re.fullmatch(r"[0-9a-f]{32}", session_id) is None:
            return None
        rows = await self._reader.ask(SESSIONS_OF_ID, id=session_id)
        return await self._matching(rows, secret, session_id)

    async def _matching(self, rows: Sequence[Sequence[Any]], secret: str, session_id: str | None) -> Caller | None:
        for stored_hash, key_id, name, prefix, scope, is_stale in rows:
            if is_secret_of(secret, stored_hash):
                if is_stale and self._is_first_look(key_id):
                    await run_in_threadpool(self._note_use, key_id)
                return Caller(owner=key_id, name=name, scope=Scope(scope), session_id=session_id, prefix=prefix)
        return None

    def _is_first_look(self, key_id: str) -> bool:
        """Whether this process has not recorded the use lately, so that not every request writes to the database."""
        now = time.monotonic()
        with self._lock:
            is_first = now - self._noted.get(key_id, -COARSE_SECONDS) >= COARSE_SECONDS
            if is_first:
                self._noted[key_id] = now
        return is_first

    def _note_use(self, key_id: str) -> None:
        # The request must succeed even if its time cannot be recorded.
        with suppress(DatabaseUnavailableError), unit_of_work(self._engine) as registry:
            registry.keys.note_use(key_id)


def bearer_of(authorization: str | None) -> str | None:
    """The key of an `Authorization: Bearer …` header; None if it is missing or has another scheme."""
    scheme, _, key = (authorization or "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None
