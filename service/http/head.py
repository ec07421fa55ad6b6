"""HEAD answers as GET does, without the body (RFC 9110, section 9.3.2): its ETag, its length, its 304, its refusals."""

from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SEND_A_PATH = "http.response.pathsend"


def offers_head(path: str) -> bool:
    """Whether a path that answers GET answers HEAD too: all do but streams of events, which have no end to describe."""
    return not path.endswith("/events")


class HeadAsGet:
    """ASGI middleware, behind all others: asks the routes for GET, and passes the head of their answer on."""

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
            # So that a file is named and not read.
            "extensions": {**(scope.get("extensions") or {}), _SEND_A_PATH: {}},
        }

        async def head_of(message: Message) -> None:
            if message["type"] == "http.response.start":
                scope["route"] = asked.get("route")  # for whoever counts and logs requests
                await send(message)
                return
            await send({"type": "http.response.body", "body": b""})
            if message.get("more_body", False):
                raise _Told

        with suppress(_Told):
            await self._app(asked, receive, head_of)


class _Told(Exception):  # noqa: N818
    """The head is sent, and that was all: whatever goes on to make a body, as long as it may be, stops here."""
