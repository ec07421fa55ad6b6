"""The state of work in the service, and why it failed."""

from dataclasses import dataclass
from datetime import datetime

from service.client.documents.part import Json, Part


@dataclass(frozen=True, eq=False, repr=False)
class Progress(Part):
    """How far a job is; None where nothing is known yet."""

    fraction: float | None
    eta_seconds: float | None
    message: str | None


@dataclass(frozen=True, eq=False, repr=False)
class ProblemEntry(Part):
    """One thing that is wrong.

    Attributes:
        field: the request field at fault, dotted: `labels.groups[1]`.
        origin: the file, row or path at fault.
        message: what was refused, and what would be accepted.
    """

    field: str | None
    origin: str | None
    message: str


@dataclass(frozen=True, eq=False, repr=False)
class Problem(Part):
    """RFC 9457 `application/problem+json`; `code` and `errors` are extension members.

    Attributes:
        instance: path of the request; None for a job's failure.
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
    """One job as the registry holds it.

    Attributes:
        attempt: how often the job was started.
        failures: attempts that were lost and got no further than those before, counted against `max_attempts`.
        params: what the job works on; a listing leaves long lists out.
        result: what the job made, by its kind; of `train_architecture`: `architecture_id`, `task_id`, `test` and
            `warnings`, which say in words what a reader of the scores has to know of the data.
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
