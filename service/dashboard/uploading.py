"""Upload limits and the caller's permissions, which a page passes to its scripts."""

from typing import Any

from fastapi import Request

from service.api.dependencies import Resources
from service.api.security.callers import Caller
from worker.registry import Scope


def upload_context(request: Request, resources: Resources) -> dict[str, Any]:
    """Returns whether the caller may write, and the upload limit, for `parts/upload.html` and other controls."""
    caller: Caller = request.state.caller
    return {"may_write": caller.scope.includes(Scope.WRITE), "max_upload_bytes": resources.settings.max_upload_bytes}
