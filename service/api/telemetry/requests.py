"""The outermost middleware: assigns request ids, and reports the status and duration of every request."""

import logging
import re
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from worker.process.logs import log_fields
from worker.process.tracing import span

log = logging.getLogger("service.requests")

REQUEST_ID = "X-Request-Id"
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

NO_ROUTE = "none"
"""Replaces every path without a route, so that scans of paths create no new time series."""

OTHER_METHOD = "other"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# Paths that monitoring polls several times a minute; logged only if they fail.
_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})


@dataclass(frozen=True)
class SeenRequest:
    """One request and its outcome.

    Attributes:
        id: from the client, else generated; the answer has it as `X-Request-Id`.
        method: in upper case; `other` for methods that HTTP does not define.
        route: as the routes declare it (`/v1/tasks/{task_id}`), or `none`.
        path: as requested, without the query, percent-encoded.
        status: status of the answer; 500 after a bug.
        seconds: until the answer began, so that a stream that stays open for hours does not count as slow.
        key: the first characters of the request's key, if it is valid; None without one.
    """

    id: str
    method: str
    route: str
    path: str
    status: int
    seconds: float
    key: str | None


def log_request(request: SeenRequest) -> None:
    """Logs one line for a request, unless it is a successful probe."""
    if request.route in _PROBES and request.status < 400:
        return
    log.info(
        "%s %s %d",
        request.method,
        request.path,
        request.status,
        extra={
            "method": request.method,
            "route": request.route,
            "status": request.status,
            "seconds": round(request.seconds, 4),
            "key": request.key,
        },
    )


class SeenRequests:
    """ASGI middleware: assigns an id to every request, and reports the request once its answer has begun."""

    def __init__(self, app: ASGIApp, observers: Sequence[Callable[[SeenRequest], None]]) -> None:
        self._app = app
        self._observers = observers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        began = time.perf_counter()
        answered = False

        def report(status: int) -> None:
            nonlocal answered
            answered = True
            seen = _seen(scope, request_id, status, time.perf_counter() - began)
            for observer in self._observers:
                observer(seen)

        async def seen(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
                report(message["status"])
            await send(message)

        with log_fields(request_id=request_id), span("request", request_id=request_id) as current:
            try:
                await self._app(scope, receive, seen)
            finally:
                if not answered:  # a bug, whose answer bypasses every middleware
                    report(500)
                current.update_name(f"{scope['method']} {_route(scope)}")


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get(REQUEST_ID, "")
    return given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex


def _route(scope: Scope) -> str:
    return getattr(scope.get("route"), "path", NO_ROUTE)


def _seen(scope: Scope, request_id: str, status: int, seconds: float) -> SeenRequest:
    caller = scope["state"].get("caller")
    return SeenRequest(
        id=request_id,
        method=scope["method"] if scope["method"] in _METHODS else OTHER_METHOD,
        route=_route(scope),
        path=quote(scope["path"])[:500],
        status=status,
        seconds=seconds,
        key=None if caller is None else caller.prefix,
    )
