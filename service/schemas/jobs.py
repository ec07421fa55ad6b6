"""The responses of `/v1/jobs`, and the parts of a job that tasks and recommendations show."""

from typing import Any, Literal

from pydantic import Field

from service.schemas.base import Document, Instant, Resource
from service.schemas.problems import Problem

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
Kind = Literal["register_task", "recommend", "distances", "train_architecture", "study"]


class Progress(Document):
    """The progress of a job; `null` where not known yet."""

    fraction: float | None = Field(None, ge=0, le=1)
    eta_seconds: float | None = None
    message: str | None = None


class Job(Resource):
    """One job as stored in the registry."""

    kind: Kind
    state: State
    stage: str | None
    progress: Progress
    priority: int
    attempt: int = Field(description="number of times that the job was started")
    failures: int = Field(
        description="lost attempts that got no further than earlier ones; counted against `max_attempts`"
    )
    max_attempts: int
    cancel_requested: bool
    params: dict[str, Any] = Field(description="the input of the job; a listing leaves long lists out")
    result: dict[str, Any] | None = Field(
        description="the output of the job, by its kind; of `train_architecture`: `architecture_id`, `task_id`, `test` "
        "and `warnings`, which are caveats about the data for readers of the scores; of `register_task`: `task_id`, "
        "`approximation`, `genotypes` (their number) and `warnings`; of `study`: `task_id`, and "
        "`cells`, the number of cells that it trained in full"
    )
    error: Problem | None
    created_at: Instant
    started_at: Instant | None
    finished_at: Instant | None
