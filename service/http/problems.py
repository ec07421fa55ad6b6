"""Error documents (RFC 9457): how one is built and sent, whatever went wrong."""

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
    """The document for one refusal; its type is the code as a URN, so it never dangles."""
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
    """The `responses` of a route: which refusals it answers with, and that they are problem documents."""
    content = {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": _DESCRIPTIONS[status], "content": content} for status in statuses}


_DESCRIPTIONS = {
    400: "The body is no JSON",
    401: "A key is needed, or the one that is shown opens nothing",
    403: "The key may not do that, or another site's page asks",
    404: "Nothing has that id or name, or the distance was not measured",
    406: "None of the accepted media types is offered",
    409: "What is there already stands against it",
    413: "The body is too large",
    415: "The body is not declared as JSON",
    422: "The request names what cannot be worked on; `errors` names every field",
    429: "The key has as many unfinished recommendations as it may have",
    503: "The database does not answer",
    507: "There is no room for the file",
}
