"""What every answer tells a browser to refuse."""

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Nothing here is fetched from elsewhere and no page has code or styles of its own inside it.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
DRAWING_POLICY = f"{_PAGE_POLICY}; style-src-attr 'unsafe-inline'"
"""Of a page on which Plotly draws: it sets styles on its elements as attributes, which no style sheet can do for it."""
# A document that is no page needs nothing at all, an SVG drawing that is opened by itself included.
_DATA_POLICY = "default-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"

HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`: a form would then be sent with `Origin: null`, and be taken for another site's.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": _DATA_POLICY,
    "Cache-Control": "no-store",
}
"""Of an answer that says nothing else itself."""

_RAW = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in HEADERS.items()]


class SecurityHeaders:
    """ASGI middleware: adds `HEADERS` to every answer, without touching those that a route has set."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                add_headers(MutableHeaders(scope=message))
            await send(message)

        await self._app(scope, receive, with_headers)


def add_headers(headers: MutableHeaders) -> None:
    """Add what is missing."""
    if headers.get("content-type", "").startswith("text/html"):
        headers.setdefault("Content-Security-Policy", _PAGE_POLICY)
    # At once: `setdefault` looks through all that is there for each of them.
    there = {name for name, _ in headers.raw}
    headers.raw.extend(pair for pair in _RAW if pair[0] not in there)
