"""The documents of a job and of its failure."""

from dataclasses import dataclass
from datetime import datetime

from service.client.documents.part import Json, Part


@dataclass(frozen=True, eq=False, repr=False)
class Progress(Part):
    """The progress of a job; None where not known yet."""

    fraction: float | None
    eta_seconds: float | None
    message: str | None


@dataclass(frozen=True, eq=False, repr=False)
class ProblemEntry(Part):
    """One error of the request.

    Attributes:
        field: the request field at fault, dotted: `labels.groups[1]`.
        origin: the file, row or path at fault.
        message: the refused value, and the accepted ones.
    """

    field: str | None
    origin: str | None
    message: str


@dataclass(frozen=True, eq=False, repr=False)
class Problem(Part):
    """RFC 9457 `application/problem+json`; `code` and `errors` are extension members.

    Attributes:
        instance: path of the request; None for the failure of a job.
    """

    type: str
    title: str
    status: int
    detail: str
    instance: str | None
    code: str
    errors: tuple[ProblemEntry, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Job(Part):
    """One job as stored in the registry.

    Attributes:
        attempt: number of times that the job was started.
        failures: lost attempts that got no further than earlier ones; counted against `max_attempts`.
        params: the input of the job; a listing leaves long lists out.
        result: the output of the job, by its kind; of `train_architecture`: `architecture_id`, `task_id`, `test` and
            `warnings`, which are caveats about the data for readers of the scores.
    """

    id: str
    kind: str
    state: str
    stage: str | None
    progress: Progress
    priority: int
    attempt: int
    failures: int
    max_attempts: int
    cancel_requested: bool
    params: Json
    result: Json | None
    error: Problem | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
