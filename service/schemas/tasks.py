"""The request and responses of `/v1/tasks`."""

from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from service.schemas.base import Document, Instant, Resource
from service.schemas.jobs import Progress, State
from service.schemas.problems import Problem
from worker.specification import (
    REPETITIONS,
    DatasetRequest,
    FirstStudyRequest,
    Fraction,
    GenotypeRequest,
    ImageSize,
    LabelsRequest,
    Name,
    NetworkField,
    OwnNetwork,
    Request,
    Seed,
)


class TaskRequest(Request):
    """A baseline to register: a dataset, a label mapping, and the training of its networks."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "odd_or_even",
                    "dataset": {"uri": "builtin://digits"},
                    "labels": {"groups": [[1, 3, 5, 7, 9]], "rest": True},
                }
            ],
            "if": {"required": ["network"], "properties": {"network": {"type": "object"}}},
            "then": {"properties": {"repetitions": {"const": 1}}},
        }
    )

    name: Name
    dataset: DatasetRequest
    labels: LabelsRequest | None = Field(None, description="absent: the classes of the dataset itself")
    network: NetworkField | None = Field(
        None,
        description="architecture of the networks that measure distances, or one network that was trained elsewhere; "
        "absent: the worker's default",
    )
    epsilon: Fraction = Field(
        0.2, description="a network approximates the task at a balanced validation accuracy of at least 1-ε"
    )
    repetitions: int = Field(
        REPETITIONS,
        ge=1,
        le=100,
        description="number of networks to train, each from its own seed; 1 if the task has its own network",
    )
    seed: Seed = 0
    image_size: ImageSize | None = Field(
        None, description="for the search of its genotypes; absent: chosen from the data"
    )
    genotypes: list[GenotypeRequest] | None = Field(
        None,
        min_length=1,
        max_length=1000,
        description="good cells that are known already; absent: found by random search",
    )
    study: FirstStudyRequest | None = Field(
        None,
        description="trains the task's best cells in full, for races on near tasks; absent: two cells, within a second "
        "for 60 training images, 10 to 180 in all (none where `LDNAS_STUDY` is `off`)",
    )

    @field_validator("repetitions")
    @classmethod
    def _own_network_is_the_only_one(cls, repetitions: int, info: ValidationInfo) -> int:
        if isinstance(info.data.get("network"), OwnNetwork) and repetitions != 1:
            raise PydanticCustomError(
                "own_network", "a task with its own network has one repetition; omit this field, or set it to 1"
            )
        return repetitions


class TaskNetwork(Document):
    """One trained network of a task."""

    repetition: int
    key: str
    architecture: str
    parameters: int
    validation_accuracy: float | None
    validation_balanced_accuracy: float | None
    approximation: bool | None = Field(description="whether balanced validation accuracy reaches 1-ε")


class TaskGenotype(Document):
    """One cell of a task, with its scores on validation data."""

    id: str
    genotype: dict[str, Any]
    origin: str
    validation_accuracy: float | None
    validation_balanced_accuracy: float | None
    epochs: int | None


class TaskCell(Document):
    """One training of a cell on the task's images, with its scores on validation data."""

    genotype: dict[str, Any]
    skeleton: dict[str, Any] = Field(description="where the cells go")
    epochs: int | None = Field(description="null for the winner of a race, which trained in several cycles")
    seed: int
    validation_accuracy: float
    validation_loss: float = Field(description="mean cross-entropy, in nats")
    standard_error: float = Field(description="of the accuracy, over draws of the validation images; a fraction")
    seconds: float
    weights: bool = Field(description="whether its weights are stored, so that a race on a near task can start there")


class ClassCount(Document):
    """The number of images of a class in each split."""

    name: str
    train: int
    validation: int
    test: int


class SplitSizes(Document):
    """The number of images in each split."""

    train: int | None = None
    validation: int | None = None
    test: int | None = None


class Digests(Document):
    """SHA-256 of the task's inputs: decoded data, label mapping, preprocessing."""

    dataset: str | None = None
    mapping: str | None = None
    preprocessing: str | None = None


class TaskSummary(Resource):
    """A task in a listing; `state` is the state of its job, `succeeded` means ready."""

    name: str
    role: Literal["baseline", "target"]
    job_id: str
    state: State
    dataset: dict[str, Any]
    labels: dict[str, Any] | None
    network: str | None
    weights: str | None = Field(description="`dataset://NAME` of the task's own network, if it has one")
    epsilon: float
    repetitions: int
    seed: int
    image_size: int | None
    class_names: tuple[str, ...] | None
    counts: SplitSizes
    digests: Digests
    samples: str | None = Field(description="path of a picture of some training images; null if none is stored")
    created_at: Instant


class Task(TaskSummary):
    """A task with its progress, its networks, its genotypes (the best first) and the trainings of its cells."""

    class_counts: tuple[ClassCount, ...] | None = Field(
        description="images of each class; from the first answer where the service knows the dataset's classes "
        "(uploaded, built in), otherwise null until the images are read"
    )
    stage: str | None
    progress: Progress
    error: Problem | None
    finished_at: Instant | None
    networks: tuple[TaskNetwork, ...]
    genotypes: tuple[TaskGenotype, ...]
    cells: tuple[TaskCell, ...] = Field((), description="the trainings of its cells, the longest first")
    warnings: tuple[str, ...] = Field(
        (), description="of its registration: the reason why its default study failed, if it did"
    )


class Study(Document):
    """The response of `POST /v1/tasks/{id}/study`."""

    job_id: str = Field(description="poll `/v1/jobs/{job_id}`")
    state: State
    task_id: str
    name: str
