"""Adds keys to the OpenAPI document: the scope of each operation, and the responses 401 and 403."""

from typing import Any

from service.api.problems import described
from service.api.security.callers import SESSION_COOKIE
from service.api.security.scopes import changes_state, scope_of

_SCHEMES = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key from `ldnas key create`. Each scope includes the ones before: read, write, admin. "
        "While no key exists and only this machine can reach it, the service is open.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": SESSION_COOKIE,
        "description": "From `POST /login`, for browsers. State-changing requests also need the service's `Origin`.",
    },
}
_CHALLENGE = {
    "WWW-Authenticate": {"description": "the missing credentials or scope (RFC 6750)", "schema": {"type": "string"}}
}


def describe_keys(document: dict[str, Any]) -> None:
    """Adds the schemes, and each operation's scope and error responses, to the document in place."""
    document["components"]["securitySchemes"] = _SCHEMES
    for path, operations in document["paths"].items():
        for name, operation in operations.items():
            method = name.upper()
            scope = scope_of(method, path)
            operation["security"] = [] if scope is None else [{scheme: [scope.value]} for scheme in _SCHEMES]
            refusals = described(*([401, 403] if scope else [403] if changes_state(method) else []))
            for status, refusal in refusals.items():
                headers = {"headers": _CHALLENGE} if scope else {}
                operation["responses"].setdefault(str(status), {**refusal, **headers})
            operation["responses"] = dict(sorted(operation["responses"].items()))
