"""The documents of tasks."""

from dataclasses import dataclass
from datetime import datetime

from service.client.documents.job import Problem, Progress
from service.client.documents.part import Json, Part


@dataclass(frozen=True, eq=False, repr=False)
class Digests(Part):
    """SHA-256 of the task's inputs: decoded data, label mapping, preprocessing."""

    dataset: str | None
    mapping: str | None
    preprocessing: str | None


@dataclass(frozen=True, eq=False, repr=False)
class SplitSizes(Part):
    """The number of images in each split."""

    train: int | None
    validation: int | None
    test: int | None


@dataclass(frozen=True, eq=False, repr=False)
class TaskNetwork(Part):
    """One trained network of a task.

    Attributes:
        approximation: whether balanced validation accuracy reaches 1-ε.
    """

    repetition: int
    key: str
    architecture: str
    parameters: int
    validation_accuracy: float | None
    validation_balanced_accuracy: float | None
    approximation: bool | None


@dataclass(frozen=True, eq=False, repr=False)
class TaskGenotype(Part):
    """One cell of a task, with its scores on validation data."""

    id: str
    genotype: Json
    origin: str
    validation_accuracy: float | None
    validation_balanced_accuracy: float | None
    epochs: int | None


@dataclass(frozen=True, eq=False, repr=False)
class TaskSummary(Part):
    """A task in a listing; `state` is the state of its job, `succeeded` means ready.

    Attributes:
        weights: `dataset://NAME` of the task's own network, if it has one.
        samples: path of a picture of some training images; None if none is stored.
    """

    id: str
    name: str
    role: str
    job_id: str
    state: str
    dataset: Json
    labels: Json | None
    network: str | None
    weights: str | None
    epsilon: float
    repetitions: int
    seed: int
    image_size: int | None
    class_names: tuple[str, ...] | None
    counts: SplitSizes
    digests: Digests
    samples: str | None
    created_at: datetime


@dataclass(frozen=True, eq=False, repr=False)
class Task(TaskSummary):
    """A task with its progress, its networks and its genotypes (the best first)."""

    stage: str | None
    progress: Progress
    error: Problem | None
    finished_at: datetime | None
    networks: tuple[TaskNetwork, ...]
    genotypes: tuple[TaskGenotype, ...]
