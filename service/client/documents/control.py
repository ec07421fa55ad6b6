"""What a recommendation found, beside what the same seconds find without the known tasks."""

from dataclasses import dataclass

from service.client.documents.part import Json, Part


@dataclass(frozen=True, eq=False, repr=False)
class ControlArm(Part):
    """One way to spend the seconds, from several seeds; validation images only.

    Attributes:
        reason: why there is no such network under the constraints.
        architectures: what was trained, one for each seed.
        scores: under the objective on validation images, by seed.
        difference: what was found minus this, in the mean over the seeds.
        interval: 90 % for the difference, over seeds and validation images.
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
    """What was found, beside what the same seconds find without the memory of tasks.

    Attributes:
        verdict: `hurt` if any other way is shown to be better, `helped` if each is shown to be worse; None until all
            networks are trained.
        confidence: of the intervals.
        seconds: of a search without the memory: fit, distance and search together.
        search_seconds: of a search with it.
        latency_table: milliseconds by primitive, under a latency limit.
        found: the search with the memory of tasks.
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
