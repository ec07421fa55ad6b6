"""What the OpenAPI document says about keys: per operation the scope, and the two refusals that every one shares."""

from typing import Any

from service.http.problems import described
from service.security.callers import SESSION_COOKIE
from service.security.scopes import changes_state, scope_of

_SCHEMES = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key from `ldnas key create`. Each scope includes the ones before: read, write, admin. "
        "Without any key, and where only this machine reaches it, the service is open.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": SESSION_COOKIE,
        "description": "From `POST /login`, for browsers. What changes anything also needs the service's own `Origin`.",
    },
}
_CHALLENGE = {"WWW-Authenticate": {"description": "what is missing (RFC 6750)", "schema": {"type": "string"}}}


def describe_keys(document: dict[str, Any]) -> None:
    """Add the schemes, and each operation's scope and refusals, to the document in place."""
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
