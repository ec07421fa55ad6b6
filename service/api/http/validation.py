"""Converts pydantic's errors to problem documents that name the fields of the request."""

from collections.abc import Mapping, Sequence
from typing import Any

from service.api.patterns import IN_WORDS
from service.api.problems import problem
from service.schemas.problems import Problem, ProblemEntry

Errors = Sequence[Mapping[str, Any]]


def validation_problem(errors: Errors, *, content_type: str, instance: str) -> Problem:
    """The document for a request that does not match the documented schema; it names every field at fault.

    A path without a well-formed id is 404 and not 422: no resource can have it. A body that is not valid JSON is 400,
    and one that is not declared as JSON is 415.
    """
    if any(error["loc"][:1] == ("path",) for error in errors):
        return problem(
            status=404, code="not_found", title="Not found", detail="No resource can have this id.", instance=instance
        )
    if any(error["type"] == "json_invalid" for error in errors):
        return problem(
            status=400,
            code="malformed_json",
            title="The body is not valid JSON",
            detail=f"{errors[0]['msg']}: {errors[0].get('ctx', {}).get('error', '')}",
            instance=instance,
        )
    if _is_undeclared_json(errors, content_type):
        return problem(
            status=415,
            code="unsupported_media_type",
            title="The body is not declared as JSON",
            detail=f"Content-Type is {content_type or 'absent'!r}; expected application/json.",
            instance=instance,
        )
    entries = [ProblemEntry(field=field_of(error["loc"]), message=_message(error)) for error in errors]
    return problem(
        status=422,
        code="invalid_request",
        title="The request does not match the documented schema",
        detail="; ".join(f"{entry.field or 'body'}: {entry.message}" for entry in entries),
        errors=entries,
        instance=instance,
    )


def field_of(location: Sequence[str | int]) -> str | None:
    """`("body", "labels", "groups", 0, 1)` as `labels.groups[0][1]`; the body as a whole is None."""
    path = ""
    for step in location[1:]:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return path.removeprefix(".") or None


def _is_undeclared_json(errors: Errors, content_type: str) -> bool:
    """Whether the body was not declared as JSON: FastAPI then passes it to pydantic as a string, not an object."""
    whole_body = any(error["loc"] == ("body",) and error["type"] != "missing" for error in errors)
    media_type = content_type.partition(";")[0].strip().lower()
    return whole_body and media_type != "application/json" and not media_type.endswith("+json")


def _message(error: Mapping[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return "This field does not exist."
    if error["type"] == "string_pattern_mismatch":
        # Pydantic would print the regular expression.
        return f"Accepted: {IN_WORDS[error['ctx']['pattern']]}."
    return f"{error['msg']}."
