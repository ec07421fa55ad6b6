"""Which scope a request needs: by its method, so that no route can be left without one; exceptions are named here.

Reading needs `read`, everything else `write`. `admin` is for what others' work rests on. Open to everyone are the two
questions of whoever runs the process, the description of the API, which is the same wherever this version runs and
holds no data, and the door itself. `/metrics` is none of them: it tells how much is done here, so it needs `read`
(Prometheus sends a key with `authorization: {credentials_file: …}`).
"""

import re

from worker.registry.states import Scope

OPEN_PATHS = frozenset({"/healthz", "/readyz", "/docs", "/openapi.json", "/login"})

_OPEN_PREFIX = "/static/"
"""The styles and scripts of the dashboard, which are those of this version and hold no data either."""

UNKNOWING_PATHS = frozenset({"/metrics"})
"""What answers, while the database cannot be reached and so nobody can be known, with just that and nothing else."""

_READING = frozenset({"GET", "HEAD", "OPTIONS"})

# Leaving needs no more than having come in; a baseline is what other people's answers were found by.
_OTHERWISE: dict[tuple[str, re.Pattern[str]], Scope] = {
    ("POST", re.compile("/logout")): Scope.READ,
    ("DELETE", re.compile("/v1/tasks/[^/]+")): Scope.ADMIN,
}


def scope_of(method: str, path: str) -> Scope | None:
    """What a key must be allowed for this request, or None where none is asked for.

    Args:
        method: in capitals.
        path: as asked for, or as the routes declare it (`/v1/tasks/{task_id}`).
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
