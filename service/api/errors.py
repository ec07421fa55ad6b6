"""The service's own errors, and the HTTP status and title of every error of every layer.

ServiceError
├── UnknownBaselineError       a request names a baseline that does not exist
├── UnknownTaskError           a request names a task that does not exist
├── AmbiguousTaskError         a request names a task by a name that several tasks have
├── UnusableTaskError          a request names a task whose own job failed or was cancelled
├── RepeatedTaskError          a request names the same task twice
├── MatrixTooLargeError        the matrix of all tasks has too many cells for one answer
├── ForbiddenWebhookError      a webhook's host is not one that the service may contact
├── NotMeasuredError           the distance between two tasks was not measured
├── NotEvaluatedError          a recommendation's network was not evaluated on the test images yet
├── NoErrorSheetError          no picture of a network's errors is stored
├── DeletedResourceError       an idempotency key belongs to a resource that was deleted later
├── NoCellError                a network without a cell is asked for the graph of its cell
├── MissingArtifactError       a row owns a file that is no longer in the store
├── InvalidNameError           a dataset's name is not valid
├── NoSamplesError             a dataset or a task has no images to show
├── StorageFullError           the artifact store has no space for the uploaded file
├── NotAcceptableError         none of the accepted media types is available
├── NoKeyError                 a key is required, and the request has none, or its session has expired
├── WrongKeyError              the request's key is not valid
├── ScopeMissingError          the request's key does not have the required scope
├── ForeignOriginError         a page of another site sent the request, according to its headers
├── BusyError                  too many submits wait for their turn
└── NotReadyError              the database does not answer or is not migrated, or no worker ever reported

This is the only module that knows both a domain error and an HTTP status.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from ldnas import errors as science
from service.api.problems import problem
from service.schemas.problems import Problem, ProblemEntry
from worker import errors as registry
from worker.errors import error_code
from worker.registry import Scope


class ServiceError(Exception):
    """Base of every deliberate error of the service.

    Attributes:
        message: the refused value, and the accepted ones.
        field: the request field at fault, dotted, or None.
    """

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class UnknownBaselineError(ServiceError):
    """A request names a baseline that does not exist."""


class UnknownTaskError(ServiceError):
    """A request names a task that does not exist."""


class AmbiguousTaskError(ServiceError):
    """A request names a task by a name that several tasks have."""


class UnusableTaskError(ServiceError):
    """A request names a task whose own job failed or was cancelled."""


class RepeatedTaskError(ServiceError):
    """A request names the same task twice."""


class MatrixTooLargeError(ServiceError):
    """The matrix of all tasks has too many cells for one answer."""


class ForbiddenWebhookError(ServiceError):
    """A webhook's host is not one that the service may contact."""


class NotMeasuredError(ServiceError):
    """The distance between two tasks was not measured."""


class NotEvaluatedError(ServiceError):
    """A recommendation's network was not evaluated on the test images yet."""


class NoErrorSheetError(ServiceError):
    """No picture of a network's errors is stored."""


class DeletedResourceError(ServiceError):
    """An idempotency key belongs to a resource that was deleted later."""


class NoCellError(ServiceError):
    """A network without a cell is asked for the graph of its cell."""


class MissingArtifactError(ServiceError):
    """A row owns a file that is no longer in the store."""


class InvalidNameError(ServiceError):
    """A dataset's name is not valid."""


class NoSamplesError(ServiceError):
    """A dataset or a task has no images to show."""


class StorageFullError(ServiceError):
    """The artifact store has no space for the uploaded file."""


class NotAcceptableError(ServiceError):
    """None of the accepted media types is available."""


class NoKeyError(ServiceError):
    """A key is required, and the request has none, or its session has expired."""

    def __init__(self) -> None:
        super().__init__(
            "this service requires a key: `Authorization: Bearer …`, or a session from POST /login that has not expired"
        )


class WrongKeyError(ServiceError):
    """The request's key is not valid; the message does not reveal whether it never existed or was revoked."""

    def __init__(self) -> None:
        super().__init__("the key is not valid; `ldnas key list` lists the valid keys by their first characters")


class ScopeMissingError(ServiceError):
    """The request's key does not have the required scope.

    Attributes:
        needed: the scope that would be accepted.
    """

    def __init__(self, needed: Scope, held: Scope) -> None:
        super().__init__(f"this operation needs a key with scope {needed}; the request's key has {held}")
        self.needed = needed


class ForeignOriginError(ServiceError):
    """A page of another site sent the request, according to its headers."""


class BusyError(ServiceError):
    """Too many submits wait for their turn; nothing was stored, the same request may succeed later."""


class NotReadyError(ServiceError):
    """The database does not answer or is not migrated, or no worker ever reported."""


@dataclass(frozen=True)
class Kind:
    """The response to one kind of error.

    Attributes:
        field: the request field at fault, where the error does not name one.
        detail: replaces the error's message, where that was not written for clients.
    """

    status: int
    title: str
    field: str | None = None
    detail: str | None = None


INTERNAL = Kind(500, "Internal error", detail="The service's log has the details.")

KINDS: dict[type[Exception], Kind] = {
    science.LdnasError: INTERNAL,
    science.RefusedError: Kind(422, "The input cannot be processed"),
    science.InvalidReferenceError: Kind(422, "The dataset reference is malformed or not supported"),
    science.ForbiddenLocationError: Kind(422, "The dataset lies outside the allowed roots"),
    science.DatasetNotFoundError: Kind(422, "No dataset exists at this location"),
    science.UnreadableDatasetError: Kind(422, "The dataset has a layout that cannot be read"),
    science.BrokenImageError: Kind(422, "An image cannot be decoded"),
    science.ImageSizeError: Kind(422, "An image is too small or too large"),
    science.ReferenceChangedError: Kind(409, "The dataset changed while it was being used"),
    science.InvalidMappingError: Kind(422, "The label mapping is impossible"),
    science.UnknownLabelError: Kind(422, "The dataset has no such label"),
    science.SingleClassError: Kind(422, "Fewer than two classes remain"),
    science.TooFewImagesError: Kind(422, "A class has too few images"),
    science.EmptySplitError: Kind(422, "A split has no image"),
    science.UnknownNetworkError: Kind(422, "No network architecture of that name"),
    science.UnfitWeightsError: Kind(422, "The weights do not belong to the network"),
    science.UnknownMeasureError: Kind(422, "No distance measure of that name"),
    science.UnknownStrategyError: Kind(422, "No search strategy of that name"),
    science.UnknownObjectiveError: Kind(422, "No objective of that name"),
    science.InvalidGenotypeError: Kind(422, "The genotype is malformed or outside its space"),
    science.InvalidSearchError: Kind(422, "The search settings cannot be satisfied"),
    science.ImpossibleConstraintError: Kind(422, "No network in the search space satisfies the constraint"),
    science.DivergedNetworkError: Kind(422, "The training of a network diverged"),
    science.OutOfMemoryError: Kind(422, "Not enough memory for a network and one image"),
    science.DamagedStarterError: Kind(503, "The starter memory is damaged"),
    science.UnsupportedLayerError: Kind(422, "The network has a layer without an exact method"),
    registry.ArtifactStoreError: Kind(
        503, "The artifact store does not answer", detail="The service's log has the reason; try again later."
    ),
    registry.RegistryError: INTERNAL,
    registry.NotFoundError: Kind(404, "Not found"),
    registry.AttemptLostError: Kind(409, "The job belongs to another owner"),
    registry.ConflictError: Kind(409, "The request conflicts with the stored state"),
    registry.NameTakenError: Kind(409, "Another baseline has this name", field="name"),
    registry.DatasetNameTakenError: Kind(409, "Another dataset has this name", field="name"),
    registry.DatasetInUseError: Kind(409, "A task refers to the dataset"),
    registry.KeyNameTakenError: Kind(409, "Another key has this name", field="name"),
    registry.TaskBusyError: Kind(409, "A job is still working on the task"),
    registry.RecommendationBusyError: Kind(409, "A job is still working on the recommendation"),
    registry.NotPromotableError: Kind(409, "The target cannot become a baseline"),
    registry.NotStudiableError: Kind(409, "The task's cells cannot be studied"),
    registry.JobNotRetriableError: Kind(409, "The job cannot be retried"),
    registry.IdempotencyKeyReusedError: Kind(422, "The key was used for another request", field="Idempotency-Key"),
    registry.DuplicateRequestError: Kind(409, "An identical request was made at the same time"),
    registry.QuotaExceededError: Kind(429, "The key's quota is exhausted"),
    registry.DatabaseUnavailableError: Kind(
        503, "The database does not answer", detail="Nothing was written; the same request may succeed later."
    ),
    ServiceError: INTERNAL,
    UnknownBaselineError: Kind(422, "Unknown baseline"),
    UnknownTaskError: Kind(422, "Unknown task"),
    AmbiguousTaskError: Kind(422, "Several tasks have that name"),
    UnusableTaskError: Kind(422, "The task cannot be used"),
    RepeatedTaskError: Kind(422, "The same task is named twice"),
    MatrixTooLargeError: Kind(422, "The matrix is too large for one answer"),
    ForbiddenWebhookError: Kind(422, "The webhook's URL is not allowed"),
    NotMeasuredError: Kind(404, "The distance was not measured"),
    NotEvaluatedError: Kind(404, "The network was not evaluated"),
    NoErrorSheetError: Kind(404, "No picture of errors is stored"),
    DeletedResourceError: Kind(409, "The resource of this idempotency key was deleted"),
    NoCellError: Kind(404, "The architecture has no cell"),
    MissingArtifactError: Kind(404, "The file is missing from the artifact store"),
    InvalidNameError: Kind(422, "Invalid dataset name", field="name"),
    NoSamplesError: Kind(404, "No images to show"),
    StorageFullError: Kind(507, "Not enough space for the file"),
    NotAcceptableError: Kind(406, "None of the accepted media types is available"),
    NoKeyError: Kind(401, "A key is required"),
    WrongKeyError: Kind(401, "The key is not valid"),
    ScopeMissingError: Kind(403, "The key does not have the required scope"),
    ForeignOriginError: Kind(403, "The request comes from another site"),
    BusyError: Kind(503, "The service is busy"),
    NotReadyError: Kind(503, "The service is not ready"),
}

# Failures of jobs without an error class.
JOB_KINDS = {
    "attempts_exhausted": Kind(500, "The job used all its attempts without finishing"),
    "internal": INTERNAL,
}
_KINDS_BY_CODE = {error_code(error_class): kind for error_class, kind in KINDS.items()} | JOB_KINDS


def problem_of(error: Exception, *, instance: str | None = None) -> Problem:
    """The problem document for a deliberate error of any layer."""
    kind = next(KINDS[base] for base in type(error).__mro__ if base in KINDS)
    failure = {
        "detail": kind.detail or getattr(error, "message", None) or str(error),
        "field": getattr(error, "field", None) or kind.field,
        "origin": getattr(error, "origin", None),
    }
    return _document(kind, error_code(type(error)), failure, instance)


def problem_of_job(error: dict[str, Any]) -> Problem:
    """The problem document for the failure stored with a job: `code`, `detail`, `field`, `origin`.

    A code that this version does not know, written by a newer worker, is reported as a failure of the job.
    """
    code = error.get("code", "internal")
    return _document(_KINDS_BY_CODE.get(code, Kind(500, "The job failed")), code, error, instance=None)


def internal_problem(*, instance: str | None = None) -> Problem:
    """The problem document for a bug; it reveals no internals."""
    return _document(INTERNAL, "internal", {"detail": INTERNAL.detail}, instance)


def _document(kind: Kind, code: str, failure: dict[str, Any], instance: str | None) -> Problem:
    detail = failure.get("detail") or HTTPStatus(kind.status).phrase
    named = failure.get("field") is not None or failure.get("origin") is not None
    entry = ProblemEntry(field=failure.get("field"), origin=failure.get("origin"), message=detail)
    return problem(
        status=kind.status,
        code=code,
        title=kind.title,
        detail=detail,
        errors=[entry] if named else [],
        instance=instance,
    )
