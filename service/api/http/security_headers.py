"""Security headers of every answer."""

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# No page loads anything from other hosts, and no page has inline scripts or styles.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
DRAWING_POLICY = f"{_PAGE_POLICY}; style-src-attr 'unsafe-inline'"
"""The policy of pages with Plotly charts: Plotly sets styles as attributes of elements, which needs an exception."""
# Answers that are not pages need no permissions, including SVG drawings opened on their own.
_DATA_POLICY = "default-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"

HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`: browsers would then send forms with `Origin: null`, which is refused as another site's.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": _DATA_POLICY,
    "Cache-Control": "no-store",
}
"""The default headers of every answer; a route may set others."""

_RAW = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in HEADERS.items()]


class SecurityHeaders:
    """ASGI middleware: adds `HEADERS` to every answer, except headers that the route has set."""

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
    """Adds the missing headers."""
    if headers.get("content-type", "").startswith("text/html"):
        headers.setdefault("Content-Security-Policy", _PAGE_POLICY)
    # All at once: each `setdefault` would scan all headers.
    there = {name for name, _ in headers.raw}
    headers.raw.extend(pair for pair in _RAW if pair[0] not in there)
