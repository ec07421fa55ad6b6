"""Submissions: handles on jobs in the service, which the client's POST calls return."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Generic, Protocol

import httpx

from service.client.connection import AWAY, json_of, retry_after
from service.client.documents import DocumentT
from service.client.errors import (
    JobCancelledError,
    JobFailedError,
    RequestRefusedError,
    UnreachableError,
    WaitTimeoutError,
)
from service.client.events import ENDED, Event
from service.schemas.base import Json

POLL_SECONDS = 0.5
# A progress bar that moves less often looks broken.
SLOWEST_POLL_SECONDS = 2.0

Status = Mapping[str, Any]


class Service(Protocol):
    """The methods of the client that a submission uses."""

    @property
    def absence_seconds(self) -> float: ...
    def read(self, kind: type[DocumentT], path: str) -> DocumentT: ...
    def request(
        self, method: str, path: str, *, repeat_seconds: float | None = ..., headers: Mapping[str, str] = ...
    ) -> httpx.Response: ...
    def follow(self, resource: str, last_event_id: int = 0) -> Iterator[Event]: ...


@dataclass(frozen=True)
class Submission(Generic[DocumentT]):
    """A requested task, recommendation, training or column of distances.

    Attributes:
        service: the client that sent the request.
        document: the service's answer.
        resource: path of its document, as `/v1/tasks/ID`.
        job: path of its state and its events: the recommendation itself, or the job of a task.
        kind: type of its document.
    """

    service: Service
    document: Json
    resource: str
    job: str
    kind: type[DocumentT]

    @property
    def id(self) -> str:
        """The id of the task, the recommendation, the architecture or the job at `resource`."""
        return self.resource.rpartition("/")[2]

    @property
    def label(self) -> str:
        """Its name, or its path, for messages."""
        named = self.document.get("name") or (self.document.get("target") or {}).get("name")
        return named or self.resource.removeprefix("/v1/")

    def get(self) -> DocumentT:
        """The current document."""
        return self.service.read(self.kind, self.resource)

    def status(self) -> Json:
        """The current document with `state`, `stage`, `progress` and `error`.

        Raises:
            UnreachableError: the service is unreachable for longer than the client's `absence_seconds`.
        """
        return _Poll(self.service, self.job).look()

    def events(self, last_event_id: int = 0) -> Iterator[Event]:
        """Yields its events as they occur, until its job has ended."""
        return self.service.follow(self.job, last_event_id)

    def cancel(self) -> None:
        """Asks the service to cancel the job; a job that has ended does not change."""
        self.service.request("POST", f"{self.job}/cancel")

    def wait(
        self,
        progress: bool = False,
        timeout_seconds: float | None = None,
        on_status: Callable[[Status], None] | None = None,
    ) -> DocumentT:
        """Waits for the end and returns the final document, also across broken connections and restarts of the
        service.

        Args:
            progress: show the stage, the fraction done and the time: a bar in a notebook, else on standard error.
            timeout_seconds: how long to wait; None = for as long as it takes.
            on_status: called with the document of every poll.

        Raises:
            JobFailedError: the job failed; the error has the problem document.
            JobCancelledError: the job was cancelled.
            WaitTimeoutError: the job has not ended within `timeout_seconds`; it continues.
            UnreachableError: the service is unreachable for longer than the client's `absence_seconds`.
        """
        return self.wait_until(_deadline(timeout_seconds), timeout_seconds, progress, on_status)

    def wait_until(
        self,
        deadline: float | None,
        timeout_seconds: float | None,
        progress: bool,
        on_status: Callable[[Status], None] | None = None,
    ) -> DocumentT:
        """`wait` until a deadline on the monotonic clock, `timeout_seconds` after the start of the wait."""
        poll = _Poll(self.service, self.job, deadline)
        with ExitStack() as stack:
            show: Callable[[Status], None] = _nothing
            if progress:
                # Rich takes a tenth of a second to import, and only progress needs it.
                from service.client.display.progress import progress_shown

                show = stack.enter_context(progress_shown(self.label))
            while (status := poll.look(show))["state"] not in ENDED:
                show(status)
                if on_status is not None:
                    on_status(status)
                if deadline is not None and time.monotonic() >= deadline:
                    raise WaitTimeoutError(self.label, timeout_seconds or 0.0)
                time.sleep(poll.pause)
            show(status)
            if on_status is not None:
                on_status(status)
        require_success(status, self.label)
        return self.get()


class _Poll:
    """Polls one job: conditional requests avoid unchanged bodies, and the poll survives an absence of the service."""

    def __init__(self, service: Service, path: str, deadline: float | None = None) -> None:
        self.pause = POLL_SECONDS
        self._service = service
        self._path = path
        self._deadline = deadline
        self._headers: dict[str, str] = {}
        self._status: Json = {"state": "queued"}

    def look(self, show: Callable[[Status], None] | None = None) -> Json:
        """The job's current document; while the service does not answer, `show` gets the last one with a note."""
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
                    return self._status  # the caller checks the deadline
                if show is not None:
                    show(self._status | {"progress": _without_answer(self._status)})
                time.sleep(POLL_SECONDS)

    def _ask(self) -> Json:
        # Not repeated there, so that the caller learns at once that the service does not answer.
        response = self._service.request("GET", self._path, repeat_seconds=0.0, headers=self._headers)
        self.pause = min(max(POLL_SECONDS, retry_after(response) or 0.0), max(POLL_SECONDS, SLOWEST_POLL_SECONDS))
        if response.status_code != httpx.codes.NOT_MODIFIED:
            self._status = json_of(response)
            tag = response.headers.get("etag")
            self._headers = {"If-None-Match": tag} if tag else {}
        return self._status


@dataclass(frozen=True)
class SubmissionGroup(Generic[DocumentT]):
    """Several submissions of one request, as the columns of distances to several targets.

    Attributes:
        document: the service's answer.
        submissions: the submissions, in the order of the request.
    """

    document: Json
    submissions: tuple[Submission[DocumentT], ...]

    def __iter__(self) -> Iterator[Submission[DocumentT]]:
        return iter(self.submissions)

    def cancel(self) -> None:
        """Asks the service to cancel all jobs; jobs that have ended do not change."""
        for submission in self.submissions:
            submission.cancel()

    def wait(self, progress: bool = False, timeout_seconds: float | None = None) -> list[DocumentT]:
        """Waits for the end of all jobs and returns the final documents, in the order of the request.

        Args:
            progress: show the stage, the fraction done and the remaining time of each, one after the other.
            timeout_seconds: how long to wait for all of them; None = for as long as it takes.

        Raises:
            JobFailedError: a job failed; the error has the problem document.
            JobCancelledError: a job was cancelled.
            WaitTimeoutError: a job has not ended within `timeout_seconds`; it continues.
            UnreachableError: the service is unreachable for longer than the client's `absence_seconds`.
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
    """Raises an error for an ended job without a result.

    Raises:
        JobFailedError: the job failed; the error has the problem document.
        JobCancelledError: the job was cancelled.
    """
    if status["state"] == "failed":
        raise JobFailedError(status.get("error") or {"title": f"{label} failed"})
    if status["state"] == "cancelled":
        raise JobCancelledError(label)
