"""What the client's POSTs return: a handle on work that goes on in the service."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Protocol

from service.client.errors import JobCancelledError, JobFailedError, UnreachableError, WaitTimeoutError
from service.client.events import ENDED, Event

POLL_SECONDS = 0.5
# A service that restarts is away for a few seconds; waiting survives that.
PATIENCE_SECONDS = 30.0


class Service(Protocol):
    """What a submission needs of the client."""

    def get(self, path: str) -> dict[str, Any]: ...
    def request(self, method: str, path: str) -> Any: ...
    def follow(self, resource: str, last_event_id: int = 0) -> Iterator[Event]: ...


@dataclass(frozen=True)
class Submission:
    """A task, a recommendation or a column of distances that was asked for.

    Attributes:
        service: the client that asked.
        document: what the service answered.
        resource: where its document lies, as `/v1/tasks/ID`.
        job: where its state and its events lie; a recommendation's own resource, or a task's job.
    """

    service: Service
    document: dict[str, Any]
    resource: str
    job: str

    @property
    def id(self) -> str:
        """The id of the task, the recommendation or the job at `resource`."""
        return self.resource.rpartition("/")[2]

    @property
    def label(self) -> str:
        """How a person would call it."""
        named = self.document.get("name") or (self.document.get("target") or {}).get("name")
        return named or self.resource.removeprefix("/v1/")

    def get(self) -> dict[str, Any]:
        """The document as it is now."""
        return self.service.get(self.resource)

    def status(self) -> dict[str, Any]:
        """The document that carries `state`, `stage`, `progress` and `error` as they are now.

        Raises:
            UnreachableError: the service stays away for longer than a restart takes.
        """
        give_up = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self.service.get(self.job)
            except UnreachableError:
                if time.monotonic() >= give_up:
                    raise
                time.sleep(POLL_SECONDS)

    def events(self, last_event_id: int = 0) -> Iterator[Event]:
        """What happens to it, as it happens; ends with its job."""
        return self.service.follow(self.job, last_event_id)

    def cancel(self) -> None:
        """Ask the service to stop the work; what has ended stays as it is."""
        self.service.request("POST", f"{self.job}/cancel")

    def wait(self, progress: bool = False, timeout_seconds: float | None = None) -> dict[str, Any]:
        """Wait for the end and return the final document.

        Args:
            progress: show the stage, the share done and the time left on standard error.
            timeout_seconds: how long to wait; None = for as long as it takes.

        Raises:
            JobFailedError: it failed; carries the problem document.
            JobCancelledError: it was cancelled.
            WaitTimeoutError: it goes on, but the time is over.
            UnreachableError: the service stays away for longer than a restart takes.
        """
        return self.wait_until(_deadline(timeout_seconds), timeout_seconds, progress)

    def wait_until(self, deadline: float | None, timeout_seconds: float | None, progress: bool) -> dict[str, Any]:
        """`wait` up to a moment on the monotonic clock, which lies `timeout_seconds` after the waiting began."""
        with ExitStack() as stack:
            show = None
            if progress:
                # Rich takes a tenth of a second to import; waiting without progress does without it.
                from service.terminal.progress import progress_shown

                show = stack.enter_context(progress_shown(self.label))
            while (status := self.status())["state"] not in ENDED:
                if show is not None:
                    show(status)
                if deadline is not None and time.monotonic() >= deadline:
                    raise WaitTimeoutError(self.label, timeout_seconds or 0.0)
                time.sleep(POLL_SECONDS)
            if show is not None:
                show(status)
        require_success(status, self.label)
        return self.get()


@dataclass(frozen=True)
class SubmissionGroup:
    """Several that were asked for at once, as the columns of distances to several targets.

    Attributes:
        document: what the service answered.
        submissions: each by itself, in the order in which they were asked for.
    """

    document: dict[str, Any]
    submissions: tuple[Submission, ...]

    def __iter__(self) -> Iterator[Submission]:
        return iter(self.submissions)

    def cancel(self) -> None:
        """Ask the service to stop all of the work; what has ended stays as it is."""
        for submission in self.submissions:
            submission.cancel()

    def wait(self, progress: bool = False, timeout_seconds: float | None = None) -> list[dict[str, Any]]:
        """Wait for the end of all and return the final documents, in the order in which they were asked for.

        Args:
            progress: show each one's stage, the share done and the time left on standard error, one after the other.
            timeout_seconds: how long to wait for all of them; None = for as long as it takes.

        Raises:
            JobFailedError: one failed; carries the problem document.
            JobCancelledError: one was cancelled.
            WaitTimeoutError: one goes on, but the time is over.
            UnreachableError: the service stays away for longer than a restart takes.
        """
        deadline = _deadline(timeout_seconds)
        return [submission.wait_until(deadline, timeout_seconds, progress) for submission in self.submissions]


def _deadline(timeout_seconds: float | None) -> float | None:
    return None if timeout_seconds is None else time.monotonic() + timeout_seconds


def require_success(status: dict[str, Any], label: str) -> None:
    """Refuse an ended job that has no result.

    Raises:
        JobFailedError: it failed; carries the problem document.
        JobCancelledError: it was cancelled.
    """
    if status["state"] == "failed":
        raise JobFailedError(status.get("error") or {"title": f"{label} failed"})
    if status["state"] == "cancelled":
        raise JobCancelledError(label)
