"""Answers HEAD like GET, without the body (RFC 9110, section 9.3.2): with its ETag, length, 304 and errors."""

from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SEND_A_PATH = "http.response.pathsend"


def offers_head(path: str) -> bool:
    """Whether a path with GET also has HEAD: all do except streams of events, whose length is unknown."""
    return not path.endswith("/events")


class HeadAsGet:
    """ASGI middleware, the innermost: calls the route with GET, and sends only the head of its answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD" or not offers_head(scope["path"]):
            await self._app(scope, receive, send)
            return
        asked: Scope = {
            **scope,
            "method": "GET",
            # Only GET has ranges (section 14.2).
            "headers": [(name, value) for name, value in scope["headers"] if name != b"range"],
            # With this extension, Starlette passes the path of a file and does not read it.
            "extensions": {**(scope.get("extensions") or {}), _SEND_A_PATH: {}},
        }

        async def head_of(message: Message) -> None:
            if message["type"] == "http.response.start":
                scope["route"] = asked.get("route")  # for the middleware that counts and logs requests
                await send(message)
                return
            await send({"type": "http.response.body", "body": b""})
            if message.get("more_body", False):
                raise _HeadSent

        with suppress(_HeadSent):
            await self._app(asked, receive, head_of)


class _HeadSent(Exception):  # noqa: N818
    """Stops the route once the head is sent, however long its body would be."""
