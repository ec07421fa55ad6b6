"""The bodies of `/v1/distances`: the matrix, one pair in detail, and requests to measure distances."""

from typing import Any, get_args

from pydantic import ConfigDict, Field

from service.schemas.base import Document, Instant
from service.schemas.jobs import State
from worker.specification import BASELINE_NAME, Measure, Name, Request, StandingMeasure


class Contribution(Document):
    """The contribution of one layer to a distance, in the measure's unit."""

    layer: str
    value: float


class TaskLabel(Document):
    """A task by its id and its name."""

    id: str
    name: str


class DistanceMatrix(Document):
    """Distances from the task of each row to the task of each column; `null` where not measured.

    Without `source` and `target`, every task has a row and a column, in the order of `tasks`: the baselines, and the
    targets with a measured distance.
    """

    measure: Measure
    recipe: dict[str, Any] = Field(
        description="the settings of the measurement, and their digest for each architecture of the networks"
    )
    tasks: tuple[TaskLabel, ...] = Field(description="every task with a row or a column")
    sources: tuple[str, ...] = Field(description="row i belongs to the task with this id")
    targets: tuple[str, ...] = Field(description="column j belongs to the task with this id")
    mean: tuple[tuple[float | None, ...], ...] = Field(
        description="mean over repetitions; may be negative for `logme` and `task2vec_asymmetric`"
    )
    std: tuple[tuple[float | None, ...], ...] = Field(
        description="standard deviation over repetitions, n-1 in the denominator; null for one repetition"
    )
    repetitions: tuple[tuple[int | None, ...], ...]


class DistanceRepetition(Document):
    """The distance from network r of the source to network r of the target."""

    repetition: int
    source_network: str = Field(description="its key")
    target_network: str = Field(description="its key")
    value: float
    signed: float = Field(description="the value before its absolute value is taken")
    standard_error: float | None = Field(description="from the sampling of images, in the measure's unit")
    measured_at: Instant


class DistanceDetail(Document):
    """The distance from one task to another in detail."""

    source: TaskLabel
    target: TaskLabel
    measure: Measure
    recipe: dict[str, Any] = Field(description="the settings of the measurement, with their digest")
    mean: float
    std: float | None = Field(
        description="standard deviation over repetitions, n-1 in the denominator; null for one repetition"
    )
    signed: float = Field(description="mean of the differences before their absolute values are taken")
    standard_error: float | None = Field(
        description="from the sampling of images; the mean over repetitions, because they share their images"
    )
    repetitions: tuple[DistanceRepetition, ...]
    contributions: tuple[Contribution, ...] | None = Field(
        description="mean over repetitions, largest absolute value first; null for a measure without layers"
    )


class DistanceRequest(Request):
    """Distances to measure: one column, and one job, for each target."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"targets": ["odd_or_even"], "measures": ["log_det"]}]})

    targets: list[Name] = Field(
        min_length=1,
        max_length=100,
        description="each a task: its id, a baseline's name, or a target's name (refused if several targets have it)",
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
        None, ge=1, le=100, description="number of networks of each task to compare; absent: as many as the target has"
    )


class DistanceTarget(Document):
    """The task to which distances are measured."""

    task_id: str
    name: str


class DistanceJob(Document):
    """The job that measures one column."""

    job_id: str = Field(description="poll `/v1/jobs/{job_id}`")
    state: State
    target: DistanceTarget


class DistanceJobs(Document):
    """The response of `POST /v1/distances`."""

    jobs: tuple[DistanceJob, ...] = Field(description="in the order of `targets`")
