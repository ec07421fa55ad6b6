"""What `GET /v1/jobs` answers, and the parts of a job that tasks and recommendations show."""

from typing import Any, Literal

from pydantic import Field

from service.schemas.base import Instant, Resource, Response
from service.schemas.problems import Problem

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
Kind = Literal["register_task", "recommend", "distances", "train_architecture"]


class Progress(Response):
    """How far a job is; `null` where nothing is known yet."""

    fraction: float | None = Field(None, ge=0, le=1)
    eta_seconds: float | None = None
    message: str | None = None


class Job(Resource):
    """One job as the registry holds it."""

    kind: Kind
    state: State
    stage: str | None
    progress: Progress
    priority: int
    attempt: int = Field(description="how often the job was started")
    failures: int = Field(description="attempts that were lost and got no further than those before, counted against `max_attempts`")
    max_attempts: int
    cancel_requested: bool
    params: dict[str, Any] = Field(description="what the job works on; a listing leaves long lists out")
    result: dict[str, Any] | None = Field(
        description="what the job made, by its kind; of `train_architecture`: `architecture_id`, `task_id`, `test` and "
        "`warnings`, which say in words what a reader of the scores has to know of the data"
    )
    error: Problem | None
    created_at: Instant
    started_at: Instant | None
    finished_at: Instant | None
