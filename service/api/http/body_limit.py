"""Refuses bodies that are larger than any request needs, before they fill the memory."""

from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import ProblemResponse, problem


class BodyLimit:
    """ASGI middleware: answers 413 to a body over `limit_bytes`, whether its length was declared or not."""

    def __init__(self, app: ASGIApp, limit_bytes: Callable[[Scope], int]) -> None:
        self._app = app
        self._limit_bytes = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit_bytes = self._limit_bytes(scope)
        detail = f"The body is larger than the limit of {limit_bytes} bytes."
        if _declared_bytes(scope) > limit_bytes:
            document = problem(
                status=413,
                code="content_too_large",
                title="The body is too large",
                detail=detail,
                instance=scope["path"],
            )
            await ProblemResponse(document, {"Connection": "close"})(scope, receive, send)
            return
        received_bytes = 0

        async def counted() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            if received_bytes > limit_bytes:
                raise HTTPException(413, detail)
            return message

        await self._app(scope, counted, send)


def _declared_bytes(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
