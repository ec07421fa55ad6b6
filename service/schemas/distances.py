"""`/v1/distances`: the matrix, one pair of it in detail, and the wish to have distances measured."""

from typing import Any, Literal, get_args

from pydantic import ConfigDict, Field

from service.schemas.base import BASELINE_NAME, Instant, Name, Request, Response
from service.schemas.jobs import State

# Spelled out for type checkers and the OpenAPI document; a test holds them against ldnas.recipe.
StandingMeasure = Literal["log_det_layerwise", "log_det", "logme"]
Measure = Literal["log_det_layerwise", "log_det", "logme", "frechet", "task2vec", "task2vec_asymmetric"]


class Contribution(Response):
    """What one layer adds to a distance, in the measure's unit."""

    layer: str
    value: float


class TaskLabel(Response):
    """A task by its id and its name."""

    id: str
    name: str


class DistanceMatrix(Response):
    """Distances from the task of each row to the task of each column; `null` where not measured.

    Without `source` and `target` every task has a row and a column, in the order of `tasks`: the baselines, and the
    targets to which one was measured.
    """

    measure: Measure
    recipe: dict[str, Any] = Field(
        description="how the networks were looked at, and its digest for each architecture of theirs"
    )
    tasks: list[TaskLabel] = Field(description="every task of a row or a column")
    sources: list[str] = Field(description="row i belongs to the task with this id")
    targets: list[str] = Field(description="column j belongs to the task with this id")
    mean: list[list[float | None]] = Field(
        description="over repetitions; may be negative by `logme` and `task2vec_asymmetric`"
    )
    std: list[list[float | None]] = Field(description="over repetitions, n-1 in the denominator; null for one")
    repetitions: list[list[int | None]]


class DistanceRepetition(Response):
    """The distance from network r of the source to network r of the target."""

    repetition: int
    source_network: str = Field(description="its key")
    target_network: str = Field(description="its key")
    value: float
    signed: float = Field(description="before its absolute value is taken")
    standard_error: float | None = Field(description="from the sampling of images, in the measure's unit")
    measured_at: Instant


class DistanceDetail(Response):
    """The distance from one task to another, as closely as it is known."""

    source: TaskLabel
    target: TaskLabel
    measure: Measure
    recipe: dict[str, Any] = Field(description="how the networks were looked at, with its digest")
    mean: float
    std: float | None = Field(description="over repetitions, n-1 in the denominator; null for one")
    signed: float = Field(description="mean of the differences before their absolute values are taken")
    standard_error: float | None = Field(
        description="of the mean, from the sampling of images; repetitions share their images, so it is their mean too"
    )
    repetitions: list[DistanceRepetition]
    contributions: list[Contribution] | None = Field(
        description="mean over repetitions, the largest amount first; null for a measure that has no layers"
    )


class DistanceRequest(Request):
    """Distances that are wanted: one column, and one job, for each target."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"targets": ["odd_or_even"], "measures": ["log_det"]}]})

    targets: list[Name] = Field(
        min_length=1,
        max_length=100,
        description="each a task: its id, or a baseline's name, or a target's (refused where several have that)",
    )
    sources: list[Name] | None = Field(
        None, min_length=1, max_length=1000, description=f"each {BASELINE_NAME}; absent: all of them"
    )
    measures: list[Measure] = Field(
        default_factory=lambda: list(get_args(StandingMeasure)),
        min_length=1,
        max_length=len(get_args(Measure)),
        description="absent: `log_det_layerwise`, `log_det` and `logme`",
    )
    repetitions: int | None = Field(
        None, ge=1, le=100, description="networks of each task that are compared; absent: as many as the target has"
    )


class DistanceTarget(Response):
    """The task to which distances are measured."""

    task_id: str
    name: str


class DistanceJob(Response):
    """The job that measures one column."""

    job_id: str = Field(description="poll `/v1/jobs/{job_id}`")
    state: State
    target: DistanceTarget


class DistanceJobs(Response):
    """What `POST /v1/distances` began."""

    jobs: list[DistanceJob] = Field(description="in the order of `targets`")
