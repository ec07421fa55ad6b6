"""Every request is seen from in front of all else: how it was answered and how long that took."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

NO_ROUTE = "none"
"""Stands for every path that no route answers, so that whoever tries paths makes no new series."""

OTHER_METHOD = "other"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(frozen=True)
class SeenRequest:
    """How one request went.

    Attributes:
        method: in capitals; `other` for one that HTTP does not define.
        route: as the routes declare it (`/v1/tasks/{task_id}`), or `none`.
        status: of the answer; 500 where a bug was in the way.
        seconds: until the answer began, so that a stream which stays open for hours is not slow.
    """

    method: str
    route: str
    status: int
    seconds: float


class SeenRequests:
    """ASGI middleware: tells of every request once its answer has begun."""

    def __init__(self, app: ASGIApp, tell: Callable[[SeenRequest], None]) -> None:
        self._app = app
        self._tell = tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        answered = False

        def tell(status: int) -> None:
            nonlocal answered
            answered = True
            self._tell(SeenRequest(_method(scope), _route(scope), status, time.perf_counter() - began))

        async def seen(message: Message) -> None:
            if message["type"] == "http.response.start":
                tell(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, seen)
        finally:
            if not answered:  # a bug, which is answered in front of every middleware
                tell(500)


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in _METHODS else OTHER_METHOD


def _route(scope: Scope) -> str:
    return getattr(scope.get("route"), "path", NO_ROUTE)
