"""A path prefix: a proxy publishes the service below `/ldnas`, and passes that part of a path on or strips it."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class RootPath:
    """ASGI middleware, the outermost: removes the prefix from paths, and adds it to the `Location` of every answer.

    Everything inside sees the paths of the routes, and finds the prefix as `root_path` in the scope. A path without the
    prefix is taken as it is, so a proxy may strip the prefix or not.

    Args:
        root_path: the prefix, as `/ldnas`, or an empty text.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._root_path:
            await self._app(scope, receive, send)
            return
        host = Headers(scope=scope).get("host", "")

        async def with_location(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if "location" in headers:
                    headers["location"] = self._published(headers["location"], host)
            await send(message)

        inside: Scope = {**scope, "root_path": self._root_path, "path": self._route_path(scope["path"])}
        await self._app(inside, receive, with_location)

    def _route_path(self, path: str) -> str:
        if path == self._root_path:
            return "/"
        return path.removeprefix(self._root_path) if path.startswith(f"{self._root_path}/") else path

    def _published(self, location: str, host: str) -> str:
        """The location with the prefix; that of another host unchanged."""
        parts = urlsplit(location)
        if parts.netloc not in ("", host):
            return location
        # Without scheme and host: behind a proxy that terminates TLS the service may not know them.
        return self._root_path + parts._replace(scheme="", netloc="").geturl()


def is_free(root_path: str, routes: Iterable[str]) -> bool:
    """Whether no route begins with the prefix's first part; otherwise a path with and one without it look alike."""
    first = root_path.split("/")[1] if root_path else ""
    return not first or first not in {route.split("/")[1] for route in routes}
