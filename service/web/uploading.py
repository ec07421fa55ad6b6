"""What a page tells its scripts about uploads and about what the caller may do."""

from typing import Any

from fastapi import Request

from service.dependencies import Resources
from service.security.callers import Caller
from worker.registry.states import Scope


def upload_context(request: Request, resources: Resources) -> dict[str, Any]:
    """For `parts/upload.html` and whatever else changes something: whether the caller may, and how much at once."""
    caller: Caller = request.state.caller
    return {"may_write": caller.scope.includes(Scope.WRITE), "max_upload_bytes": resources.settings.max_upload_bytes}
