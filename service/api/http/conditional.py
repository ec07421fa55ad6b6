"""Conditional requests: an `ETag` on every document, `304` if the client has it already (RFC 9110, section 13)."""

import hashlib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from service.figures.figure import FIGURE_MEDIA_TYPES, Figure, FigureFormat, rendered_figure

_TAG = {
    "ETag": {"description": "changes with the body", "schema": {"type": "string"}},
    "Retry-After": {
        "description": "seconds until the next poll, while a job has not ended",
        "schema": {"type": "integer"},
    },
}
POLLED: dict[int | str, dict[str, Any]] = {
    200: {"headers": _TAG},
    304: {"description": "Unchanged: `If-None-Match` names the body's ETag", "headers": _TAG},
}
"""The `responses` of a route that uses `conditional`."""


def conditional(request: Request, document: BaseModel, headers: Mapping[str, str] | None = None) -> Response:
    """The document as JSON, or 304 if `If-None-Match` names its tag."""
    body = document.model_dump_json().encode()
    return conditional_body(request, body, tag_of(body), "application/json", headers)


def conditional_figure(request: Request, figure: Figure, format: FigureFormat) -> Response:
    """The figure in one of its formats, or 304 if `If-None-Match` names its tag."""
    body = rendered_figure(figure, format)
    return conditional_body(request, body, tag_of(body), FIGURE_MEDIA_TYPES[format])


def conditional_body(
    request: Request, body: bytes, tag: str, media_type: str, headers: Mapping[str, str] | None = None
) -> Response:
    """The body, or 304 if `If-None-Match` names its tag."""
    both = {"ETag": tag, "Cache-Control": "no-cache", **(headers or {})}
    if matches(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=both)
    return Response(body, media_type=media_type, headers=both)


def tag_of(body: bytes) -> str:
    """The tag is a digest of the bytes, so it changes exactly when they do."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def matches(if_none_match: str | None, tag: str) -> bool:
    """Weak comparison of the tag with a list of tags, or with `*`."""
    if if_none_match is None:
        return False
    named = {candidate.strip().removeprefix("W/") for candidate in if_none_match.split(",")}
    return "*" in named or tag.removeprefix("W/") in named
