"""A recommendation's comparison with alternatives that spend the same seconds without the known tasks."""

from dataclasses import dataclass

from service.client.documents.part import Json, Part


@dataclass(frozen=True, eq=False, repr=False)
class ControlArm(Part):
    """One arm of the comparison, from several seeds; on validation images only.

    Attributes:
        reason: why the arm has no network within the constraints.
        architectures: the trained architectures, one for each seed.
        scores: value of the objective on validation images, by seed.
        difference: score of `found` minus the score of this arm, mean over the seeds.
        interval: 90 % interval of the difference, over seeds and validation images.
    """

    reason: str | None
    architectures: tuple[Json, ...] | None
    scores: tuple[float, ...] | None
    mean: float | None
    difference: float | None
    interval: tuple[float, float] | None
    verdict: str | None


@dataclass(frozen=True, eq=False, repr=False)
class Control(Part):
    """A comparison with three alternatives that spend the same seconds without the known tasks.

    Attributes:
        verdict: `hurt` if any other arm is shown to be better, `helped` if all others are shown to be worse; None
            until all networks are trained.
        confidence: confidence level of the intervals.
        seconds: seconds of a search without the known tasks: as long as fit, distance and search together.
        search_seconds: seconds of a search with the known tasks.
        latency_table: milliseconds by primitive, under a latency limit.
        found: the search with the known tasks.
        full_space: the same strategy on the full space.
        random: random search on the full space.
        resnet18: ResNet-18 as wide as the constraints allow.
    """

    verdict: str | None
    seeds: int | None
    confidence: float | None
    objective: str | None
    seconds: float | None
    search_seconds: float | None
    latency_table: Json | None
    found: ControlArm
    full_space: ControlArm
    random: ControlArm
    resnet18: ControlArm
