"""Distances between tasks: the matrix, and one pair in detail."""

from dataclasses import dataclass
from datetime import datetime

from service.client.documents.part import Json, Part


@dataclass(frozen=True, eq=False, repr=False)
class Contribution(Part):
    """The contribution of one layer to a distance, in the measure's unit."""

    layer: str
    value: float


@dataclass(frozen=True, eq=False, repr=False)
class TaskLabel(Part):
    """A task by its id and its name."""

    id: str
    name: str


@dataclass(frozen=True, eq=False, repr=False)
class DistanceMatrix(Part):
    """Distances from the task of each row to the task of each column; None where not measured.

    Without `source` and `target`, every task has a row and a column, in the order of `tasks`: the baselines, and the
    targets with a measured distance.

    Attributes:
        recipe: the settings of the measurement, and their digest for each architecture of the networks.
        tasks: every task with a row or a column.
        sources: row i belongs to the task with this id.
        targets: column j belongs to the task with this id.
        mean: mean over repetitions; may be negative for `logme` and `task2vec_asymmetric`.
        std: standard deviation over repetitions, n-1 in the denominator; None for one repetition.
    """

    measure: str
    recipe: Json
    tasks: tuple[TaskLabel, ...]
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    mean: tuple[tuple[float | None, ...], ...]
    std: tuple[tuple[float | None, ...], ...]
    repetitions: tuple[tuple[int | None, ...], ...]

    def _repr_html_(self) -> str:
        """The HTML that a notebook shows."""
        from service.client.display.html import matrix_html  # Rich takes time to import, and scripts do not need it

        return matrix_html(self)


@dataclass(frozen=True, eq=False, repr=False)
class DistanceRepetition(Part):
    """The distance from network r of the source to network r of the target.

    Attributes:
        source_network: its key.
        target_network: its key.
        signed: the value before its absolute value is taken.
        standard_error: from the sampling of images, in the measure's unit.
    """

    repetition: int
    source_network: str
    target_network: str
    value: float
    signed: float
    standard_error: float | None
    measured_at: datetime


@dataclass(frozen=True, eq=False, repr=False)
class DistanceDetail(Part):
    """The distance from one task to another in detail.

    Attributes:
        recipe: the settings of the measurement, with their digest.
        std: standard deviation over repetitions, n-1 in the denominator; None for one repetition.
        signed: mean of the differences before their absolute values are taken.
        standard_error: from the sampling of images; the mean over repetitions, because they share their images.
        contributions: mean over repetitions, largest absolute value first; None for a measure without layers.
    """

    source: TaskLabel
    target: TaskLabel
    measure: str
    recipe: Json
    mean: float
    std: float | None
    signed: float
    standard_error: float | None
    repetitions: tuple[DistanceRepetition, ...]
    contributions: tuple[Contribution, ...] | None
