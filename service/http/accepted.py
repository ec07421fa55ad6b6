"""Answers that begin work: where it can be watched, and when to ask for the first time (RFC 9110, section 15.3.3)."""

from typing import Any

from starlette.responses import Response

from service.http.problems import described

RETRY_AFTER_SECONDS = 2

ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "headers": {
            "Location": {"description": "what to poll", "schema": {"type": "string"}},
            "Retry-After": {"description": "seconds to the first poll", "schema": {"type": "integer"}},
        }
    }
}
"""The `responses` of a route that answers with `point_to`."""

QUOTA: dict[int | str, dict[str, Any]] = {
    429: described(429)[429]
    | {"headers": {"Retry-After": {"description": "seconds to the next attempt", "schema": {"type": "integer"}}}}
}
"""The `responses` of a route that a key may be refused by its quota."""


def point_to(response: Response, path: str) -> None:
    """Set the headers of an accepted request."""
    response.headers["Location"] = path
    response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
