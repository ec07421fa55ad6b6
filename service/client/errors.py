"""Everything that the client raises, in one tree.

ClientError
├── UnreachableError          nothing answers at the address
├── RequestRefusedError       the service refused the request; carries its problem document
│   ├── KeyRefusedError       it asks for a key, or the one that was sent opens nothing (401)
│   ├── NotAllowedError       the key may not do that (403)
│   └── TooManyError          the key has as many unfinished recommendations as it may have (429)
├── StrangeAnswerError        what answers is no ldnas, or something stands between
├── MissingPackageError       this machine lacks a package that the call needs
├── NoNetworkError            a recommendation has no network, or not yet
├── NoClientError             a document is asked for more, and no client is behind it
├── DamagedFileError          a file did not arrive as the service has it
├── UnusableNetworkError      an ONNX file is no network that this release can classify with
├── UnknownTaskError          no task has that id or name
├── JobFailedError            the job ended in failure; carries its problem document
├── JobCancelledError         the job was cancelled before it had a result
└── WaitTimeoutError          the job had not ended when the caller's patience ran out
"""

from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """Base of every error of the client; its text is meant to be shown to a person."""


class UnreachableError(ClientError):
    """Nothing answers at the address."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"no service answers at {url} ({reason}); `ldnas up` starts one here, LDNAS_URL names another")
        self.url = url


class RequestRefusedError(ClientError):
    """The service refused the request.

    Attributes:
        problem: the RFC 9457 document that the service answered with.
        status: the HTTP status.
    """

    def __init__(self, problem: Mapping[str, Any], status: int) -> None:
        super().__init__(problem_text(problem))
        self.problem = dict(problem)
        self.status = status


class KeyRefusedError(RequestRefusedError):
    """The service asks for a key, or the one that was sent opens nothing."""

    def __init__(self, problem: Mapping[str, Any], status: int) -> None:
        super().__init__(problem, status)
        self.args = (f"{self}; LDNAS_API_KEY (or --api-key) takes a key",)


class NotAllowedError(RequestRefusedError):
    """The key may not do that: its scope is too small."""


class TooManyError(RequestRefusedError):
    """The key has as many unfinished recommendations as it may have, or something in between is asked too often.

    Attributes:
        retry_after_seconds: when to ask again, where the answer says so.
    """

    def __init__(self, problem: Mapping[str, Any], status: int, retry_after_seconds: float | None = None) -> None:
        super().__init__(problem, status)
        self.retry_after_seconds = retry_after_seconds


class StrangeAnswerError(ClientError):
    """What answers is no ldnas, or something stands between."""

    def __init__(self, url: str, media_type: str | None) -> None:
        super().__init__(
            f"{url} answers with {media_type or 'something unnamed'} and not with what ldnas would; "
            "look at LDNAS_URL (or --url)"
        )


class MissingPackageError(ClientError):
    """This machine lacks a package that the call needs; `extra` brings it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"this needs {package}, which is not installed; pip install 'ldnas[{extra}]' brings it")


class NoNetworkError(ClientError):
    """A recommendation has no network, or not yet."""

    def __init__(self, name: str, state: str) -> None:
        super().__init__(f"{name} is {state} and has no network; .wait() on what recommend() returns waits for it")


class NoClientError(ClientError):
    """A document is asked for more, and no client is behind it."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"this {kind} is a copy without a client; Client.load_network takes the architecture's id")


class DamagedFileError(ClientError):
    """A file did not arrive as the service has it: its SHA-256 is another than its `ETag` says."""

    def __init__(self, url: str) -> None:
        super().__init__(f"{url} did not arrive as the service has it; ask again, and look at what lies between")


class UnusableNetworkError(ClientError):
    """An ONNX file is no network that this release can classify with."""


class UnknownTaskError(ClientError):
    """No task has that id, and no baseline that name."""

    def __init__(self, id_or_name: str) -> None:
        super().__init__(f"no task has the id, and no baseline the name, {id_or_name!r}; ldnas task list shows them")


class JobFailedError(ClientError):
    """The job ended in failure; `problem` is the document that says why."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        super().__init__(problem_text(problem))
        self.problem = dict(problem)


class JobCancelledError(ClientError):
    """The job was cancelled before it had a result."""

    def __init__(self, job: str) -> None:
        super().__init__(f"{job} was cancelled")


class WaitTimeoutError(ClientError):
    """The job had not ended when the caller's patience ran out; it goes on all the same."""

    def __init__(self, job: str, seconds: float) -> None:
        super().__init__(f"{job} has not ended after {seconds:g} s; it goes on in the service")


def problem_text(problem: Mapping[str, Any]) -> str:
    """A problem document as text: what was refused, then one line for each field at fault."""
    summary = str(problem.get("detail") or problem.get("title") or "the service gave no reason")
    lines = []
    for error in problem.get("errors") or ():
        place = ", ".join(str(error[key]) for key in ("field", "origin") if error.get(key))
        message = str(error.get("message") or "")
        if message == summary:
            summary = f"{summary} ({place})" if place else summary
        elif place or message:
            lines.append("  " + ": ".join(part for part in (place, message) if part))
    return "\n".join([summary, *lines])
