"""Distances between tasks: the matrix, and one pair of it in detail."""

from dataclasses import dataclass
from datetime import datetime

from service.client.documents.part import Json, Part


@dataclass(frozen=True, eq=False, repr=False)
class Contribution(Part):
    """What one layer adds to a distance, in the measure's unit."""

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

    Without `source` and `target` every task has a row and a column, in the order of `tasks`: the baselines, and the
    targets to which one was measured.

    Attributes:
        recipe: how the networks were looked at, and its digest for each architecture of theirs.
        tasks: every task of a row or a column.
        sources: row i belongs to the task with this id.
        targets: column j belongs to the task with this id.
        mean: over repetitions; may be negative by `logme` and `task2vec_asymmetric`.
        std: over repetitions, n-1 in the denominator; None for one.
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
        """What a notebook shows."""
        from service.terminal.html import matrix_html  # Rich takes a while to import, and a script needs none of it

        return matrix_html(self)


@dataclass(frozen=True, eq=False, repr=False)
class DistanceRepetition(Part):
    """The distance from network r of the source to network r of the target.

    Attributes:
        source_network: its key.
        target_network: its key.
        signed: before its absolute value is taken.
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
    """The distance from one task to another, as closely as it is known.

    Attributes:
        recipe: how the networks were looked at, with its digest.
        std: over repetitions, n-1 in the denominator; None for one.
        signed: mean of the differences before their absolute values are taken.
        standard_error: of the mean, from the sampling of images; repetitions share their images, so it is their mean
            too.
        contributions: mean over repetitions, the largest amount first; None for a measure that has no layers.
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
