"""A recommendation's comparison of the new task with the known ones."""

from dataclasses import dataclass

from service.client.documents.distances import Contribution
from service.client.documents.part import Json, Part


@dataclass(frozen=True, eq=False, repr=False)
class Closest(Part):
    """The nearest baseline, or in a tie the most probable one; None in its fields where the verdict is another.

    Attributes:
        probability: that it is the nearest one.
    """

    task_id: str | None
    name: str | None
    distance: float | None
    probability: float | None


@dataclass(frozen=True, eq=False, repr=False)
class Scale(Part):
    """What a distance is to be read against, in the measure's unit.

    Attributes:
        self_distance: between two trainings of the target itself.
        untrained_distance: of networks that were never trained.
    """

    self_distance: float | None
    untrained_distance: float | None


@dataclass(frozen=True, eq=False, repr=False)
class Mend(Part):
    """The call that would make a baseline comparable."""

    method: str
    path: str
    body: Json | None


@dataclass(frozen=True, eq=False, repr=False)
class Distance(Part):
    """The distance from one baseline to the target, with its spread over repetitions.

    Attributes:
        mean: None where the baseline is not comparable.
        signed: mean of the difference before its absolute value.
        others: by other measures.
        interval: 90 % for the expected distance over training seeds.
        probability_closest: None too where it was left behind early on.
        approximation: whether the baseline's networks all reach 1-ε.
        standard_error: from the sampling of images, in the measure's unit.
        samples: images of the target that the distance was taken on.
        contributions: of each layer, mean over repetitions.
    """

    task_id: str
    name: str
    measure: str
    mean: float | None
    std: float | None
    signed: float | None
    others: dict[str, float | None]
    mend: Mend | None
    interval: tuple[float, float] | None
    repetitions: int | None
    probability_closest: float | None
    comparable: bool | None
    approximation: bool | None
    standard_error: float | None
    samples: int | None
    contributions: tuple[Contribution, ...] | None


@dataclass(frozen=True, eq=False, repr=False)
class Eligibility(Part):
    """Whether a baseline took part, and if not, why."""

    task_id: str
    name: str
    eligible: bool
    reason: str | None
