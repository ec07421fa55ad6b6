"""Builds and sends error documents (RFC 9457)."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import JSONResponse

from service.schemas.problems import Problem, ProblemEntry

PROBLEM_MEDIA_TYPE = "application/problem+json"


def problem(
    *,
    status: int,
    code: str,
    title: str,
    detail: str,
    errors: Sequence[ProblemEntry] = (),
    instance: str | None = None,
) -> Problem:
    """The document for one error; its type is the code as a URN, which cannot become a dead link."""
    return Problem(
        type=f"urn:ldnas:problem:{code.replace('_', '-')}",
        title=title,
        status=status,
        detail=detail,
        instance=instance,
        code=code,
        errors=list(errors),
    )


class ProblemResponse(JSONResponse):
    """A problem document with its own status and media type."""

    media_type = PROBLEM_MEDIA_TYPE

    def __init__(self, document: Problem, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(document.model_dump(mode="json"), status_code=document.status, headers=dict(headers or {}))


def described(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route for these error statuses, as problem documents."""
    content = {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": _DESCRIPTIONS[status], "content": content} for status in statuses}


_DESCRIPTIONS = {
    400: "The body is not valid JSON",
    401: "A key is required, or the request's key is not valid",
    403: "The key does not have the required scope, or the request comes from another site",
    404: "No resource has that id or name, or the distance was not measured",
    406: "None of the accepted media types is available",
    409: "The request conflicts with the stored state",
    413: "The body is too large",
    415: "The body is not declared as JSON",
    422: "The request cannot be processed; `errors` names every field at fault",
    429: "The key has as many unfinished recommendations as its quota allows",
    503: "The database does not answer",
    507: "Not enough space for the file",
}
