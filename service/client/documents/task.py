"""The tasks that the service knows."""

from dataclasses import dataclass
from datetime import datetime

from service.client.documents.job import Problem, Progress
from service.client.documents.part import Json, Part


@dataclass(frozen=True, eq=False, repr=False)
class Digests(Part):
    """SHA-256 of what went in: decoded data, label mapping, preprocessing."""

    dataset: str | None
    mapping: str | None
    preprocessing: str | None


@dataclass(frozen=True, eq=False, repr=False)
class SplitSizes(Part):
    """Images in each split."""

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
    """One cell known to a task, with what its search measured on validation data."""

    id: str
    genotype: Json
    origin: str
    validation_accuracy: float | None
    validation_balanced_accuracy: float | None
    epochs: int | None


@dataclass(frozen=True, eq=False, repr=False)
class TaskSummary(Part):
    """A task as the listing shows it; `state` is that of its job, `succeeded` means ready.

    Attributes:
        weights: `dataset://NAME` of its network, where the task brought it.
        samples: path of a picture of some training images; None where none was kept.
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
