"""The gate before every route: authenticates and authorises requests."""

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.errors import ScopeMissingError, ServiceError
from service.api.http.handlers import answer_of
from service.api.security.callers import Caller, Callers, bearer_of
from service.api.security.origins import refuse_foreign_origin, refuse_rebound_name
from service.api.security.scopes import UNKNOWING_PATHS, changes_state, scope_of
from worker.errors import DatabaseUnavailableError, RegistryError


class Gate:
    """ASGI middleware: refuses a request before its body is read, or stores the `Caller` in the request's state.

    It runs before the router, so unknown paths are closed too, and no route can omit the check.
    """

    def __init__(self, app: ASGIApp, callers: Callers) -> None:
        self._app = app
        self._callers = callers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                caller = await self._admitted(scope)
            except (ServiceError, RegistryError) as refusal:
                if not (isinstance(refusal, DatabaseUnavailableError) and scope["path"] in UNKNOWING_PATHS):
                    await answer_of(refusal, Request(scope))(scope, receive, send)
                    return
                caller = None
            scope.setdefault("state", {})["caller"] = caller
        elif scope["type"] != "lifespan":
            return  # the service has no routes of other types, and nothing after this checks the caller
        await self._app(scope, receive, send)

    async def _admitted(self, scope: Scope) -> Caller | None:
        """The authorised caller; None on paths that are open to everyone."""
        method, path, headers = scope["method"], scope["path"], Headers(scope=scope)
        needed = scope_of(method, path)
        if needed is None:
            self._check_origin(scope, headers, by_cookie=False)
            return None
        caller = await self._callers.identify(headers)
        if not caller.has_key:
            refuse_rebound_name(headers)
        if not caller.scope.includes(needed):
            raise ScopeMissingError(needed, caller.scope)
        self._check_origin(scope, headers, by_cookie=caller.session_id is not None)
        return caller

    def _check_origin(self, scope: Scope, headers: Mapping[str, str], *, by_cookie: bool) -> None:
        # Browsers add cookies and a proxy's password to requests of other sites' pages, but never a bearer key.
        if changes_state(scope["method"]) and (by_cookie or bearer_of(headers.get("authorization")) is None):
            refuse_foreign_origin(headers, scope.get("scheme", "http"), required=by_cookie)
