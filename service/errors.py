"""What the service itself refuses, and the HTTP status and title of every refusal of every floor.

ServiceError
├── UnknownBaselineError       a request names a baseline that there is not
├── UnknownTaskError           a request names a task that there is not
├── AmbiguousTaskError         a request names a task by a name that several have
├── UnusableTaskError          a request names a task whose own job failed or was cancelled
├── RepeatedTaskError          a request names one task twice
├── MatrixTooLargeError        the matrix of all tasks has too many cells for one answer
├── ForbiddenWebhookError      a webhook would go where the service does not reach out to
├── NotMeasuredError           the distance between two tasks was not measured
├── NotEvaluatedError          a recommendation's network has not seen the test images
├── NoErrorSheetError          no picture of a network's errors was kept
├── DeletedResourceError       an idempotency key belongs to a resource that was deleted since
├── MissingArtifactError       a row owns a file that is no longer in the store
├── InvalidNameError           a dataset cannot be called so
├── NoSamplesError             a dataset or a task has no images to show
├── StorageFullError           the artifact store has no room for what is sent
├── NotAcceptableError         none of the accepted media types is offered
├── NoKeyError                 a key is asked for, and none is shown, or the browser's session is over
├── WrongKeyError              the key that is shown opens nothing
├── ScopeMissingError          the key may not do what the request asks
├── ForeignOriginError         another site's page sent the request, as far as a browser tells
└── NotReadyError              the database does not answer, or is not migrated

This is the only file that knows both a domain error and an HTTP status.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from ldnas import errors as science
from service.http.problems import problem
from service.schemas.problems import Problem, ProblemEntry
from worker.failures import error_code
from worker.registry import errors as registry
from worker.registry.states import Scope


class ServiceError(Exception):
    """Base of every deliberate error of the service.

    Attributes:
        message: what was refused, and what would be accepted.
        field: the request field at fault, dotted, or None.
    """

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class UnknownBaselineError(ServiceError):
    """A request names a baseline that there is not."""


class UnknownTaskError(ServiceError):
    """A request names a task that there is not."""


class AmbiguousTaskError(ServiceError):
    """A request names a task by a name that several have."""


class UnusableTaskError(ServiceError):
    """A request names a task whose own job failed or was cancelled."""


class RepeatedTaskError(ServiceError):
    """A request names one task twice."""


class MatrixTooLargeError(ServiceError):
    """The matrix of all tasks has too many cells for one answer."""


class ForbiddenWebhookError(ServiceError):
    """A webhook would go where the service does not reach out to."""


class NotMeasuredError(ServiceError):
    """The distance between two tasks was not measured."""


class NotEvaluatedError(ServiceError):
    """A recommendation's network has not seen the test images."""


class NoErrorSheetError(ServiceError):
    """No picture of a network's errors was kept."""


class DeletedResourceError(ServiceError):
    """An idempotency key belongs to a resource that was deleted since."""


class MissingArtifactError(ServiceError):
    """A row owns a file that is no longer in the store."""


class InvalidNameError(ServiceError):
    """A dataset cannot be called so."""


class NoSamplesError(ServiceError):
    """A dataset or a task has no images to show."""


class StorageFullError(ServiceError):
    """The artifact store has no room for what is sent."""


class NotAcceptableError(ServiceError):
    """None of the accepted media types is offered."""


class NoKeyError(ServiceError):
    """A key is asked for, and none is shown, or the browser's session is over."""

    def __init__(self) -> None:
        super().__init__(
            "this service asks for a key: `Authorization: Bearer …`, or a session from POST /login; it may be over"
        )


class WrongKeyError(ServiceError):
    """The key that is shown opens nothing; whether it never existed or was revoked is not told."""

    def __init__(self) -> None:
        super().__init__("the key opens nothing; `ldnas key list` shows those that do, by their first characters")


class ScopeMissingError(ServiceError):
    """The key may not do what the request asks.

    Attributes:
        needed: the scope that would be accepted.
    """

    def __init__(self, needed: Scope, held: Scope) -> None:
        super().__init__(f"this needs a key of scope {needed}; the one that is shown has {held}")
        self.needed = needed


class ForeignOriginError(ServiceError):
    """Another site's page sent the request, as far as a browser tells."""


class NotReadyError(ServiceError):
    """The database does not answer, or is not migrated."""


@dataclass(frozen=True)
class Kind:
    """How one sort of error is answered.

    Attributes:
        field: the request field at fault, where the error itself knows none.
        detail: stands in for the error's message, where that was not written for a client.
    """

    status: int
    title: str
    field: str | None = None
    detail: str | None = None


INTERNAL = Kind(500, "The service met an error of its own", detail="The service's log has the details.")

KINDS: dict[type[Exception], Kind] = {
    science.LdnasError: INTERNAL,
    science.RefusedError: Kind(422, "The input cannot be worked on"),
    science.InvalidReferenceError: Kind(422, "The dataset reference is malformed or not supported"),
    science.ForbiddenLocationError: Kind(422, "The dataset lies outside the allowed roots"),
    science.DatasetNotFoundError: Kind(422, "No dataset lies there"),
    science.UnreadableDatasetError: Kind(422, "The dataset has a layout that cannot be read"),
    science.BrokenImageError: Kind(422, "An image cannot be decoded"),
    science.ImageSizeError: Kind(422, "An image is too small or too large"),
    science.ReferenceChangedError: Kind(409, "The dataset changed while it was being used"),
    science.InvalidMappingError: Kind(422, "The label mapping is impossible"),
    science.UnknownLabelError: Kind(422, "The dataset has no such label"),
    science.SingleClassError: Kind(422, "Fewer than two classes are left"),
    science.TooFewImagesError: Kind(422, "A class has too few images"),
    science.EmptySplitError: Kind(422, "A split has no image"),
    science.UnknownNetworkError: Kind(422, "No network architecture of that name"),
    science.UnfitWeightsError: Kind(422, "The weights do not belong to the network"),
    science.UnknownMeasureError: Kind(422, "No distance measure of that name"),
    science.UnknownStrategyError: Kind(422, "No search strategy of that name"),
    science.UnknownObjectiveError: Kind(422, "No objective of that name"),
    science.InvalidGenotypeError: Kind(422, "The genotype is malformed or outside its space"),
    science.InvalidSearchError: Kind(422, "The search setting cannot be met"),
    science.ImpossibleConstraintError: Kind(422, "No network of the search space keeps the constraint"),
    science.DivergedNetworkError: Kind(422, "The training of a network diverged"),
    science.OutOfMemoryError: Kind(422, "Memory does not suffice for a network and one image"),
    science.UnsupportedLayerError: Kind(422, "A layer of the network cannot be treated exactly"),
    registry.RegistryError: INTERNAL,
    registry.NotFoundError: Kind(404, "Not found"),
    registry.FenceLostError: Kind(409, "The job has another owner by now"),
    registry.ConflictError: Kind(409, "What is there already stands against it"),
    registry.NameTakenError: Kind(409, "Another baseline holds the name", field="name"),
    registry.DatasetNameTakenError: Kind(409, "Another dataset lies under the name", field="name"),
    registry.DatasetInUseError: Kind(409, "A task refers to the dataset"),
    registry.KeyNameTakenError: Kind(409, "Another key holds the name", field="name"),
    registry.TaskBusyError: Kind(409, "The task is still being worked on"),
    registry.RecommendationBusyError: Kind(409, "The recommendation is still being worked on"),
    registry.NotPromotableError: Kind(409, "The target cannot become a baseline"),
    registry.JobNotRetriableError: Kind(409, "The job cannot be tried again"),
    registry.IdempotencyKeyReusedError: Kind(422, "The key was used for another request", field="Idempotency-Key"),
    registry.DuplicateRequestError: Kind(409, "An equal request was made at the same moment"),
    registry.QuotaExceededError: Kind(429, "The key's quota is used up"),
    registry.DatabaseUnavailableError: Kind(
        503, "The database does not answer", detail="Nothing was written; the same request may succeed later."
    ),
    ServiceError: INTERNAL,
    UnknownBaselineError: Kind(422, "There is no such baseline"),
    UnknownTaskError: Kind(422, "There is no such task"),
    AmbiguousTaskError: Kind(422, "Several tasks have that name"),
    UnusableTaskError: Kind(422, "The task cannot be worked on"),
    RepeatedTaskError: Kind(422, "One task is named twice"),
    MatrixTooLargeError: Kind(422, "The matrix is too large for one answer"),
    ForbiddenWebhookError: Kind(422, "The webhook's URL is not allowed"),
    NotMeasuredError: Kind(404, "The distance was not measured"),
    NotEvaluatedError: Kind(404, "The network was not evaluated"),
    NoErrorSheetError: Kind(404, "There is no picture of errors"),
    DeletedResourceError: Kind(409, "What this idempotency key made was deleted"),
    MissingArtifactError: Kind(404, "The file is gone"),
    InvalidNameError: Kind(422, "A dataset cannot be called so", field="name"),
    NoSamplesError: Kind(404, "There are no images to show"),
    StorageFullError: Kind(507, "There is no room for the file"),
    NotAcceptableError: Kind(406, "None of the accepted media types is offered"),
    NoKeyError: Kind(401, "A key is needed"),
    WrongKeyError: Kind(401, "The key opens nothing"),
    ScopeMissingError: Kind(403, "The key may not do that"),
    ForeignOriginError: Kind(403, "The request comes from another site"),
    NotReadyError: Kind(503, "The service is not ready"),
}

# Ends of a job that no error class stands for.
JOB_KINDS = {
    "attempts_exhausted": Kind(500, "The job was started as often as is allowed, and never came to an end"),
    "internal": INTERNAL,
}
_KINDS_BY_CODE = {error_code(error_class): kind for error_class, kind in KINDS.items()} | JOB_KINDS


def problem_of(error: Exception, *, instance: str | None = None) -> Problem:
    """The document for a deliberate error of any floor."""
    kind = next(KINDS[base] for base in type(error).__mro__ if base in KINDS)
    failure = {
        "detail": kind.detail or getattr(error, "message", None) or str(error),
        "field": getattr(error, "field", None) or kind.field,
        "origin": getattr(error, "origin", None),
    }
    return _document(kind, error_code(type(error)), failure, instance)


def problem_of_job(error: dict[str, Any]) -> Problem:
    """The same document for what a job's row keeps of its failure: `code`, `detail`, `field`, `origin`.

    A code that this version does not know (a newer worker wrote it) is shown as a failure of the job.
    """
    code = error.get("code", "internal")
    return _document(_KINDS_BY_CODE.get(code, Kind(500, "The job failed")), code, error, instance=None)


def internal_problem(*, instance: str | None = None) -> Problem:
    """The document for a bug: it tells nothing of the inside."""
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
