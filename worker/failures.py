"""The error document of a failed job, stored in the job's row."""

import re
from typing import Any

from ldnas.errors import RefusedError


def error_code(error_class: type[Exception]) -> str:
    """The stable code of a deliberate error: `TooFewImagesError` is `too_few_images`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", error_class.__name__.removesuffix("Error")).lower()


def failure_of(error: RefusedError) -> dict[str, Any]:
    """The error document of a refusal: code, detail, and the field and origin at fault."""
    return {"code": error_code(type(error)), "detail": error.message, "field": error.field, "origin": error.origin}


def internal_failure(job_id: str) -> dict[str, Any]:
    """The error document of a bug: no internal details, only where to look."""
    return {
        "code": "internal",
        "detail": f"an internal error occurred; the worker's log has it under job {job_id}",
        "field": None,
        "origin": None,
    }
