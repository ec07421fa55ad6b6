"""Every error that the worker processes raise on purpose, in one tree.

WorkerError
├── SettingsError               an environment variable holds a value that is not accepted
├── InvalidMessageError         a message from the broker is not a job message
├── BundleError                 a registry cannot be written to a file, or a file was not written by `ldnas registry`
├── ForbiddenDestinationError   a URL names a host that must not be reached
├── OutboundFailedError         an allowed host does not answer
├── ArtifactStoreError          object storage refused, broke off, or has a damaged artifact
├── BrokerUnavailableError      the broker refused, timed out or broke off; publish again later
└── RegistryError               an error of the database's rows
    ├── NotFoundError                 no row of that kind has that id
    ├── AttemptLostError                the job is no longer held by this attempt; its runner must stop
    ├── ConflictError                 the existing rows do not allow it
    │   ├── NameTakenError            another baseline holds the name
    │   ├── DatasetNameTakenError     the name belongs to other content
    │   ├── DatasetInUseError         a task refers to the dataset
    │   ├── KeyNameTakenError         another key that is not revoked holds the name
    │   ├── TaskBusyError             a job that works on the task has not ended yet
    │   ├── RecommendationBusyError   the recommendation's job has not ended yet
    │   ├── NotPromotableError        only the target of a recommendation that succeeded becomes a baseline, and once
    │   ├── NotStudiableError         only the cells of a baseline that is ready can be studied
    │   ├── JobNotRetriableError      only failed and cancelled jobs can be tried again
    │   ├── IdempotencyKeyReusedError the key was used for another request
    │   └── DuplicateRequestError     an equal request under the key was stored a moment ago; read that one
    ├── QuotaExceededError            the key has as many unfinished recommendations as it may have
    └── DatabaseUnavailableError      the database refused, timed out or broke off; try again later
"""

import re
from collections.abc import Sequence
from typing import Any

from ldnas.errors import RefusedError


class WorkerError(Exception):
    """Base of every deliberate error of the worker processes."""


class SettingsError(WorkerError):
    """An environment variable holds a value that is not accepted.

    Attributes:
        variable: the name of the environment variable.
        accepted: the accepted values, in words.
    """

    def __init__(self, variable: str, value: str, accepted: str) -> None:
        super().__init__(f"{variable} is {value!r}; accepted: {accepted}")
        self.variable = variable
        self.accepted = accepted


class InvalidMessageError(WorkerError):
    """A message from the broker is not a job message."""


class BundleError(WorkerError):
    """A registry cannot be written to a file, or a file is not a complete bundle by `ldnas registry export`.

    Attributes:
        place: the file, or the member of it and the line, at fault.
    """

    def __init__(self, place: str, fault: str) -> None:
        super().__init__(f"{place}: {fault}")
        self.place = place


class ForbiddenDestinationError(WorkerError):
    """A URL must not be reached, because of its scheme, its host, or an address of its host."""


class OutboundFailedError(WorkerError):
    """An allowed host has no address, does not answer, breaks off or redirects endlessly.

    Attributes:
        may_pass: whether the same request may succeed later.
    """

    def __init__(self, message: str, *, may_pass: bool = True) -> None:
        super().__init__(message)
        self.may_pass = may_pass


class ArtifactStoreError(WorkerError, OSError):
    """Object storage refused, timed out or broke off, or an artifact in it is damaged.

    It is an OSError, as a full disk is: a job that meets it is tried again.

    Attributes:
        may_pass: whether the same request may succeed later with the same settings.
    """

    def __init__(self, message: str, *, may_pass: bool = False) -> None:
        super().__init__(message)
        self.may_pass = may_pass


class BrokerUnavailableError(WorkerError):
    """The broker refused, timed out or broke off; nothing is lost, the dispatcher publishes again."""


class RegistryError(WorkerError):
    """Base of every deliberate error of the registry."""


class NotFoundError(RegistryError):
    """No row of that kind has that id.

    Attributes:
        kind: the kind of row (`job`, `task`, `recommendation`, `architecture`, `key`).
        id: the requested id.
    """

    def __init__(self, kind: str, id: str, *, by: str = "id") -> None:
        super().__init__(f"no {kind} has the {by} {id!r}")
        self.kind = kind
        self.id = id


class AttemptLostError(RegistryError):
    """The job is no longer running in this attempt; its runner must stop and write nothing more."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"job {job_id} is no longer held by this attempt")
        self.job_id = job_id


class ConflictError(RegistryError):
    """The existing rows do not allow the operation."""


class NameTakenError(ConflictError):
    """Another baseline holds the name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"a baseline named {name!r} exists already; choose another name or delete it first")
        self.name = name


class DatasetNameTakenError(ConflictError):
    """The name belongs to other content, or to the same content read by other columns."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"another dataset has the name {name!r}; an uploaded dataset never changes: choose another name, or "
            "delete it first"
        )
        self.name = name


class DatasetInUseError(ConflictError):
    """A task refers to the dataset."""

    LISTED = 20
    """The number of tasks that the message names."""

    def __init__(self, name: str, tasks: Sequence[str]) -> None:
        named = ", ".join(map(repr, tasks[: self.LISTED])) + (", …" if len(tasks) > self.LISTED else "")
        super().__init__(f"dataset {name!r} is used by the task{'s' * (len(tasks) > 1)} {named}; delete that first")
        self.name = name


class KeyNameTakenError(ConflictError):
    """Another key that is not revoked holds the name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"a key named {name!r} exists already; choose another name or revoke it first")
        self.name = name


class TaskBusyError(ConflictError):
    """A job that works on the task has not ended yet: its own, or one that measures distances to it."""

    def __init__(self, task_id: str, job_id: str) -> None:
        super().__init__(f"task {task_id} is still worked on by job {job_id}; cancel that first")
        self.task_id = task_id
        self.job_id = job_id


class RecommendationBusyError(ConflictError):
    """The recommendation's job has not ended yet."""

    def __init__(self, recommendation_id: str, job_id: str) -> None:
        super().__init__(f"recommendation {recommendation_id} is still worked on by job {job_id}; cancel that first")
        self.recommendation_id = recommendation_id
        self.job_id = job_id


class NotPromotableError(ConflictError):
    """Only the target of a recommendation that succeeded becomes a baseline, and once."""

    def __init__(self, recommendation_id: str, reason: str) -> None:
        super().__init__(f"the target of recommendation {recommendation_id} cannot become a baseline: {reason}")
        self.recommendation_id = recommendation_id


class NotStudiableError(ConflictError):
    """Only the cells of a baseline that is ready can be studied."""

    def __init__(self, task_id: str, reason: str) -> None:
        super().__init__(f"the cells of task {task_id} cannot be studied: {reason}")
        self.task_id = task_id


class JobNotRetriableError(ConflictError):
    """Only failed and cancelled jobs can be tried again."""

    def __init__(self, job_id: str, state: str) -> None:
        super().__init__(f"job {job_id} is {state}; only a failed or cancelled job can be tried again")
        self.job_id = job_id
        self.state = state


class IdempotencyKeyReusedError(ConflictError):
    """The idempotency key was used for another request."""

    def __init__(self, key: str) -> None:
        super().__init__(f"the idempotency key {key!r} was used before with another request; choose a new key")
        self.key = key


class DuplicateRequestError(ConflictError):
    """Another process stored an equal request under the key a moment ago; roll back and read that one."""

    def __init__(self, key: str) -> None:
        super().__init__(f"a request with the idempotency key {key!r} has just been stored")
        self.key = key


class QuotaExceededError(RegistryError):
    """The key has as many unfinished recommendations as it may have."""

    def __init__(self, name: str, quota: int) -> None:
        super().__init__(f"key {name!r} may have {quota} unfinished recommendations, and has them; wait or cancel one")
        self.name = name
        self.quota = quota


class DatabaseUnavailableError(RegistryError):
    """The database refused, timed out or broke off; nothing was written, the same call may succeed later."""


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
