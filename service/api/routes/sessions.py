"""`/login` and `/logout`: a browser's session for a key, in a cookie that scripts cannot read."""

import secrets
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from service.api.dependencies import CallerDependency, Resources, ResourcesDependency
from service.api.errors import WrongKeyError
from service.api.problems import described
from service.api.security.callers import SESSION_COOKIE, Caller
from service.api.security.tokens import hash_of
from service.schemas.sessions import LoginRequest, Session
from worker.registry import BrowserSessionRow, new_id, unit_of_work

SESSION_SECONDS = 12 * 3600
"""A working day; after that the browser must send the key again."""

router = APIRouter(tags=["sessions"], responses=described(503))

_SETS_COOKIE: dict[int | str, dict[str, Any]] = {
    200: {"headers": {"Set-Cookie": {"description": "the session", "schema": {"type": "string"}}}}
}


@router.post("/login", summary="Open a browser's session", responses=_SETS_COOKIE | described(400, 401, 413, 415, 422))
async def login(body: LoginRequest, request: Request, response: Response, resources: ResourcesDependency) -> Session:
    """Exchanges a key for a session of twelve hours, which has the scope of the key and ends when the key is revoked.

    Browsers send the cookie only with requests of this site (`SameSite=Strict`), scripts cannot read it (`HttpOnly`),
    and a cookie set over https is sent only over https (`Secure`).
    """
    caller = await resources.callers.by_key(body.key.get_secret_value())
    if caller is None:
        raise WrongKeyError
    secret = secrets.token_urlsafe(32)
    session = await run_in_threadpool(_open, resources, caller, secret)
    response.set_cookie(
        SESSION_COOKIE,
        f"{session.id}.{secret}",
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
        path=_cookie_path(request),
    )
    return Session(name=caller.name, scope=caller.scope, expires_at=session.expires_at)


@router.post("/logout", status_code=204, summary="End a browser's session")
def logout(request: Request, response: Response, caller: CallerDependency, resources: ResourcesDependency) -> None:
    """Ends the session of the request, in the service and in the browser."""
    if caller.session_id is not None:
        with unit_of_work(resources.engine) as registry:
            registry.keys.end_session(caller.session_id)
    response.delete_cookie(SESSION_COOKIE, path=_cookie_path(request), httponly=True, samesite="strict")


def _cookie_path(request: Request) -> str:
    """The path of the session cookie: other services of the same host, below other paths, do not receive it."""
    return request.scope.get("root_path") or "/"


def _open(resources: Resources, caller: Caller, secret: str) -> BrowserSessionRow:
    with unit_of_work(resources.engine) as registry:
        return registry.keys.open_session(
            id=new_id(), key_id=caller.owner, hash=hash_of(secret), seconds=SESSION_SECONDS
        )
