"""The scope that a request needs, by its method, so that no route can lack one; the exceptions are listed here.

Reading needs `read`, everything else `write`. `admin` protects resources that other users' results depend on. Open to
everyone are the health checks, the login, and the description of the API, which is the same for every installation of
this version and contains no data. `/metrics` is not open: it reveals the load, so it needs `read` (Prometheus sends a
key with `authorization: {credentials_file: …}`).
"""

import re

from worker.registry import Scope

OPEN_PATHS = frozenset({"/healthz", "/readyz", "/docs", "/openapi.json", "/login"})

_OPEN_PREFIX = "/static/"
"""The styles and scripts of the dashboard, which contain no data either."""

UNKNOWING_PATHS = frozenset({"/metrics"})
"""Paths that answer even while the database is unreachable and no key can be checked; they report only that."""

_READING = frozenset({"GET", "HEAD", "OPTIONS"})

# Every session may log out; deleting a baseline affects the results of other users.
_OTHERWISE: dict[tuple[str, re.Pattern[str]], Scope] = {
    ("POST", re.compile("/logout")): Scope.READ,
    ("DELETE", re.compile("/v1/tasks/[^/]+")): Scope.ADMIN,
}


def scope_of(method: str, path: str) -> Scope | None:
    """The scope that this request needs, or None if it needs no key.

    Args:
        method: in upper case.
        path: as requested, or as the routes declare it (`/v1/tasks/{task_id}`).
    """
    if path in OPEN_PATHS or path.startswith(_OPEN_PREFIX):
        return None
    for (exceptional, pattern), scope in _OTHERWISE.items():
        if method == exceptional and pattern.fullmatch(path):
            return scope
    return Scope.READ if method in _READING else Scope.WRITE


def changes_state(method: str) -> bool:
    """Whether a request of this method may change anything (RFC 9110, section 9.2.1)."""
    return method not in _READING
