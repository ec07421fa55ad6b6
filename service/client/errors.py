"""The errors of the client, in one tree.

ClientError
├── UnreachableError          no service answers at the address
│   └── InvalidAddressError   the address of the service is not one
├── InvalidVariableError      an environment variable for proxies or certificates has an unusable value
├── InvalidKeyError           the API key has characters that no key has
├── NotFiniteError            a number of a request is nan or infinite
├── TemporaryFolderError      the temporary folder is full, or none exists
├── UnpackableFolderError     a folder cannot be packed for its upload
├── RequestRefusedError       the service refused the request; has its problem document
│   ├── KeyRefusedError       the service requires a key, or the request's key is not valid (401)
│   ├── NotAllowedError       the key does not have the required scope (403)
│   └── TooManyError          the key has as many unfinished recommendations as its quota allows (429)
├── StrangeAnswerError        the answer does not come from an ldnas service
├── MissingPackageError       a package that the call needs is not installed
├── NoNetworkError            a recommendation has no network, or none yet
├── NoClientError             a document without a client cannot fetch more data
├── DamagedFileError          a downloaded file does not match its digest
├── UnusableNetworkError      this release cannot build or run a network
├── UnknownTaskError          no task has the id or name
├── JobFailedError            the job failed; has its problem document
├── JobCancelledError         the job was cancelled before it had a result
└── WaitTimeoutError          the job did not end within the timeout
"""

from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """Base of every error of the client; its message is for people."""


class UnreachableError(ClientError):
    """No service answers at the address."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"no service answers at {url} ({reason}); start one with `ldnas up`, or set LDNAS_URL to another"
        )
        self.url = url


class InvalidAddressError(UnreachableError):
    """The address of the service is not one."""

    def __init__(self, url: str, reason: str, suggestion: str | None = None) -> None:
        super().__init__(url, reason)
        meant = f"; write {suggestion}" if suggestion else ""
        self.args = (
            f"{url!r} is not the address of a service ({reason}); accepted: http://HOST:PORT or https://HOST{meant}; "
            "check LDNAS_URL (or --url)",
        )


class InvalidVariableError(ClientError):
    """An environment variable for proxies or certificates has an unusable value.

    Attributes:
        variable: its name.
    """

    def __init__(self, variable: str, value: str, reason: str, remedy: str) -> None:
        super().__init__(f"{variable} is {value}, {reason}; {remedy}")
        self.variable = variable


class InvalidKeyError(ClientError):
    """The API key has characters that no key has."""

    def __init__(self) -> None:
        super().__init__("a key has printable ASCII characters without blanks; check LDNAS_API_KEY (or --api-key)")


class NotFiniteError(ClientError):
    """A number of a request is nan or infinite."""

    def __init__(self) -> None:
        super().__init__("a number of the request is nan or infinite; the service accepts finite numbers")


class TemporaryFolderError(ClientError):
    """The temporary folder is full, or none exists."""

    def __init__(self, reason: str, needed: str) -> None:
        super().__init__(f"{reason}; set TMPDIR to a folder with {needed}")


class UnpackableFolderError(ClientError):
    """A folder cannot be packed for its upload; the message names the reason."""


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
    """The service requires a key, or the request's key is not valid."""

    def __init__(self, problem: Mapping[str, Any], status: int) -> None:
        super().__init__(problem, status)
        self.args = (f"{self}; set a key with LDNAS_API_KEY (or --api-key)",)


class NotAllowedError(RequestRefusedError):
    """The key does not have the required scope."""


class TooManyError(RequestRefusedError):
    """The key has as many unfinished recommendations as its quota allows, or a proxy limits the rate of requests.

    Attributes:
        retry_after_seconds: seconds until the next attempt, if the answer states them.
    """

    def __init__(self, problem: Mapping[str, Any], status: int, retry_after_seconds: float | None = None) -> None:
        super().__init__(problem, status)
        self.retry_after_seconds = retry_after_seconds


class StrangeAnswerError(ClientError):
    """The answer does not come from an ldnas service, but from another server or a proxy."""

    def __init__(self, url: str, media_type: str | None) -> None:
        super().__init__(
            f"{url} answered with {media_type or 'no media type'}, which is not an answer of ldnas; "
            "check LDNAS_URL (or --url)"
        )


class MissingPackageError(ClientError):
    """A package that the call needs is not installed; `extra` installs it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; run pip install 'ldnas[{extra}]'")


class NoNetworkError(ClientError):
    """A recommendation has no network, or none yet."""

    def __init__(self, name: str, state: str) -> None:
        super().__init__(
            f"{name} is {state} and has no network; call .wait() on the result of recommend() to wait for it"
        )


class NoClientError(ClientError):
    """A document without a client cannot fetch more data."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"this {kind} is a copy without a client; call Client.load_network with the architecture's id")


class DamagedFileError(ClientError):
    """A downloaded file does not match its digest: its SHA-256 is not the one in its `ETag`."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"the download of {url} does not match its digest; try again, and check the proxies in between"
        )


class UnusableNetworkError(ClientError):
    """This release cannot build or run a network."""


class UnknownTaskError(ClientError):
    """No task has the id, and no baseline has the name."""

    def __init__(self, id_or_name: str) -> None:
        super().__init__(
            f"no task has the id {id_or_name!r}, and no baseline has that name; ldnas task list shows them"
        )


class JobFailedError(ClientError):
    """The job failed; `problem` is its problem document."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        super().__init__(problem_text(problem))
        self.problem = dict(problem)


class JobCancelledError(ClientError):
    """The job was cancelled before it had a result."""

    def __init__(self, job: str) -> None:
        super().__init__(f"{job} was cancelled")


class WaitTimeoutError(ClientError):
    """The job did not end within the timeout; it continues in the service."""

    def __init__(self, job: str, seconds: float) -> None:
        super().__init__(f"{job} has not ended after {seconds:g} s; it continues in the service")


def problem_text(problem: Mapping[str, Any]) -> str:
    """A problem document as text: its detail, then one line for each field at fault."""
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
