"""What the client's POSTs return: a handle on work that goes on in the service."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import httpx

from service.client.connection import AWAY, json_of, retry_after
from service.client.documents.part import Json, Part
from service.client.errors import (
    JobCancelledError,
    JobFailedError,
    RequestRefusedError,
    UnreachableError,
    WaitTimeoutError,
)
from service.client.events import ENDED, Event

POLL_SECONDS = 0.5
# A bar that moves less often looks broken.
SLOWEST_POLL_SECONDS = 2.0

P = TypeVar("P", bound=Part)
Status = Mapping[str, Any]


class Service(Protocol):
    """What a submission needs of the client."""

    @property
    def absence_seconds(self) -> float: ...
    def read(self, kind: type[P], path: str) -> P: ...
    def request(
        self, method: str, path: str, *, repeat_seconds: float | None = ..., headers: Mapping[str, str] = ...
    ) -> httpx.Response: ...
    def follow(self, resource: str, last_event_id: int = 0) -> Iterator[Event]: ...


@dataclass(frozen=True)
class Submission(Generic[P]):
    """A task, a recommendation, a training or a column of distances that was asked for.

    Attributes:
        service: the client that asked.
        document: what the service answered.
        resource: where its document lies, as `/v1/tasks/ID`.
        job: where its state and its events lie; a recommendation's own resource, or a task's job.
        kind: what its document is read as.
    """

    service: Service
    document: Json
    resource: str
    job: str
    kind: type[P]

    @property
    def id(self) -> str:
        """The id of the task, the recommendation, the architecture or the job at `resource`."""
        return self.resource.rpartition("/")[2]

    @property
    def label(self) -> str:
        """How a person would call it."""
        named = self.document.get("name") or (self.document.get("target") or {}).get("name")
        return named or self.resource.removeprefix("/v1/")

    def get(self) -> P:
        """The document as it is now."""
        return self.service.read(self.kind, self.resource)

    def status(self) -> Json:
        """The document that carries `state`, `stage`, `progress` and `error` as they are now.

        Raises:
            UnreachableError: the service stays away for longer than the client's `absence_seconds`.
        """
        return _Poll(self.service, self.job).look()

    def events(self, last_event_id: int = 0) -> Iterator[Event]:
        """What happens to it, as it happens; ends with its job."""
        return self.service.follow(self.job, last_event_id)

    def cancel(self) -> None:
        """Ask the service to stop the work; what has ended stays as it is."""
        self.service.request("POST", f"{self.job}/cancel")

    def wait(self, progress: bool = False, timeout_seconds: float | None = None) -> P:
        """Wait for the end and return the final document. A connection that breaks and a service that restarts are
        waited for too.

        Args:
            progress: show the stage, the share done and the time: a bar in a notebook, and on standard error elsewhere.
            timeout_seconds: how long to wait; None = for as long as it takes.

        Raises:
            JobFailedError: it failed; carries the problem document.
            JobCancelledError: it was cancelled.
            WaitTimeoutError: it goes on, but the time is over.
            UnreachableError: the service stays away for longer than the client's `absence_seconds`.
        """
        return self.wait_until(_deadline(timeout_seconds), timeout_seconds, progress)

    def wait_until(self, deadline: float | None, timeout_seconds: float | None, progress: bool) -> P:
        """`wait` up to a moment on the monotonic clock, which lies `timeout_seconds` after the waiting began."""
        poll = _Poll(self.service, self.job, deadline)
        with ExitStack() as stack:
            show: Callable[[Status], None] = _nothing
            if progress:
                # Rich takes a tenth of a second to import; waiting without progress does without it.
                from service.terminal.progress import progress_shown

                show = stack.enter_context(progress_shown(self.label))
            while (status := poll.look(show))["state"] not in ENDED:
                show(status)
                if deadline is not None and time.monotonic() >= deadline:
                    raise WaitTimeoutError(self.label, timeout_seconds or 0.0)
                time.sleep(poll.pause)
            show(status)
        require_success(status, self.label)
        return self.get()


class _Poll:
    """One job looked at again and again: unchanged it costs no body, and an absence of the service is outlasted."""

    def __init__(self, service: Service, path: str, deadline: float | None = None) -> None:
        self.pause = POLL_SECONDS
        self._service = service
        self._path = path
        self._deadline = deadline
        self._headers: dict[str, str] = {}
        self._status: Json = {"state": "queued"}

    def look(self, show: Callable[[Status], None] | None = None) -> Json:
        """The job's document as it is now; while nobody answers, `show` gets the last one with a word about that."""
        began = time.monotonic()
        while True:
            try:
                return self._ask()
            except (UnreachableError, RequestRefusedError) as error:
                if isinstance(error, RequestRefusedError) and error.status not in AWAY:
                    raise
                now = time.monotonic()
                if now - began >= self._service.absence_seconds:
                    raise
                if self._deadline is not None and now >= self._deadline:
                    return self._status  # whoever waits sees that the time is over
                if show is not None:
                    show(self._status | {"progress": _without_answer(self._status)})
                time.sleep(POLL_SECONDS)

    def _ask(self) -> Json:
        # Not repeated there: whoever waits shall hear at once that nobody answers.
        response = self._service.request("GET", self._path, repeat_seconds=0.0, headers=self._headers)
        self.pause = min(max(POLL_SECONDS, retry_after(response) or 0.0), max(POLL_SECONDS, SLOWEST_POLL_SECONDS))
        if response.status_code != httpx.codes.NOT_MODIFIED:
            self._status = json_of(response)
            tag = response.headers.get("etag")
            self._headers = {"If-None-Match": tag} if tag else {}
        return self._status


@dataclass(frozen=True)
class SubmissionGroup(Generic[P]):
    """Several that were asked for at once, as the columns of distances to several targets.

    Attributes:
        document: what the service answered.
        submissions: each by itself, in the order in which they were asked for.
    """

    document: Json
    submissions: tuple[Submission[P], ...]

    def __iter__(self) -> Iterator[Submission[P]]:
        return iter(self.submissions)

    def cancel(self) -> None:
        """Ask the service to stop all of the work; what has ended stays as it is."""
        for submission in self.submissions:
            submission.cancel()

    def wait(self, progress: bool = False, timeout_seconds: float | None = None) -> list[P]:
        """Wait for the end of all and return the final documents, in the order in which they were asked for.

        Args:
            progress: show each one's stage, the share done and the time left, one after the other.
            timeout_seconds: how long to wait for all of them; None = for as long as it takes.

        Raises:
            JobFailedError: one failed; carries the problem document.
            JobCancelledError: one was cancelled.
            WaitTimeoutError: one goes on, but the time is over.
            UnreachableError: the service stays away for longer than the client's `absence_seconds`.
        """
        deadline = _deadline(timeout_seconds)
        return [submission.wait_until(deadline, timeout_seconds, progress) for submission in self.submissions]


def _deadline(timeout_seconds: float | None) -> float | None:
    return None if timeout_seconds is None else time.monotonic() + timeout_seconds


def _nothing(status: Status) -> None:
    pass


def _without_answer(status: Status) -> Json:
    return {**(status.get("progress") or {}), "message": "the service does not answer; waiting for it"}


def require_success(status: Status, label: str) -> None:
    """Refuse an ended job that has no result.

    Raises:
        JobFailedError: it failed; carries the problem document.
        JobCancelledError: it was cancelled.
    """
    if status["state"] == "failed":
        raise JobFailedError(status.get("error") or {"title": f"{label} failed"})
    if status["state"] == "cancelled":
        raise JobCancelledError(label)
