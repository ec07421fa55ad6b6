"""A recommendation's comparison of the new task with the baselines."""

from dataclasses import dataclass

from service.client.documents.distances import Contribution
from service.client.documents.part import Json, Part


@dataclass(frozen=True, eq=False, repr=False)
class Closest(Part):
    """The nearest baseline, or in a tie the most probable one; fields are None for other verdicts.

    Attributes:
        probability: probability that this baseline is the nearest.
    """

    task_id: str | None
    name: str | None
    distance: float | None
    probability: float | None


@dataclass(frozen=True, eq=False, repr=False)
class Scale(Part):
    """Reference values for distances, in the measure's unit.

    Attributes:
        self_distance: distance between two trainings of the target.
        untrained_distance: distance between untrained networks.
    """

    self_distance: float | None
    untrained_distance: float | None


@dataclass(frozen=True, eq=False, repr=False)
class Mend(Part):
    """The API call that makes the baseline comparable."""

    method: str
    path: str
    body: Json | None


@dataclass(frozen=True, eq=False, repr=False)
class Distance(Part):
    """The distance from one baseline to the target, with its spread over repetitions.

    Attributes:
        mean: None where the baseline is not comparable.
        signed: mean difference, before the absolute value is taken.
        others: distances by other measures.
        interval: 90 % for the expected distance over training seeds.
        probability_closest: also None where the baseline was ruled out early.
        approximation: whether the baseline's networks all reach 1-ε.
        standard_error: from the sampling of images, in the measure's unit.
        samples: number of the target's images that the distance was measured on.
        contributions: contribution of each layer, mean over repetitions.
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
    """Whether a baseline was eligible, and if not, why."""

    task_id: str
    name: str
    eligible: bool
    reason: str | None
