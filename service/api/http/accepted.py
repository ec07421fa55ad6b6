"""Answers that accept a job: where to poll it, and when to poll for the first time (RFC 9110, section 15.3.3)."""

from typing import Any, Protocol

from starlette.responses import Response

from service.api.problems import described
from service.schemas.jobs import Progress
from worker.registry import JobState

RETRY_AFTER_SECONDS = 2
LONGEST_PAUSE_SECONDS = 60

ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "headers": {
            "Location": {"description": "path to poll", "schema": {"type": "string"}},
            "Retry-After": {"description": "seconds until the first poll", "schema": {"type": "integer"}},
        }
    }
}
"""The `responses` of a route that uses `point_to`."""

QUOTA: dict[int | str, dict[str, Any]] = {
    429: described(429)[429]
    | {"headers": {"Retry-After": {"description": "seconds until the next attempt", "schema": {"type": "integer"}}}}
}
"""The `responses` of a route that may refuse a key because of its quota."""


class Polled(Protocol):
    """A document with the progress of a job: the job itself, a task, a recommendation."""

    @property
    def state(self) -> str: ...
    @property
    def progress(self) -> Progress: ...


def pointer(path: str) -> dict[str, str]:
    """The headers of an accepted request."""
    return {"Location": path, "Retry-After": str(RETRY_AFTER_SECONDS)}


def point_to(response: Response, path: str) -> None:
    """Sets the headers of an accepted request."""
    response.headers.update(pointer(path))


def poll_again(job: Polled) -> dict[str, str]:
    """The headers of a poll: the next poll is due after a tenth of the remaining time; none once the job has ended."""
    if JobState(job.state).ended:
        return {}
    eta = job.progress.eta_seconds
    pause = RETRY_AFTER_SECONDS if eta is None else min(LONGEST_PAUSE_SECONDS, max(1, round(eta / 10)))
    return {"Retry-After": str(pause)}
