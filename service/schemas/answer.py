"""The recommendation as it is answered: every field from the first poll, `null` until it is known.

Only `error`, `control`, `webhook` and a distance's `mend` are `null` as wholes. Every other object is there from the
start with fields that are `null`, so that a client never has to ask whether `answer["test"]` is one.
"""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from service.schemas.base import Instant, Resource, Response
from service.schemas.distances import Contribution
from service.schemas.jobs import Progress, State
from service.schemas.problems import Problem
from service.schemas.requests import Objective
from service.schemas.tasks import Digests
from service.schemas.webhooks import Webhook

Verdict = Literal["closest", "tie", "no_close_task", "no_baseline"]
ControlVerdict = Literal["helped", "undecided", "hurt"]
Interval = tuple[float, float]


class Part(Response):
    """A part of the answer. A worker that is newer than this process may know more fields: they are passed on."""

    model_config = ConfigDict(extra="allow")


class Target(Part):
    """The new task, and how many images each of its splits has."""

    task_id: str
    dataset: dict[str, Any]
    labels: dict[str, Any] | None = None
    classes: list[str] | None = None
    train: int | None = None
    validation: int | None = None
    test: int | None = None
    image_size: int | None = None
    digests: Digests = Field(default_factory=Digests)


class Closest(Part):
    """The nearest baseline, or in a tie the most probable one; `null` fields where the verdict is another."""

    task_id: str | None = None
    name: str | None = None
    distance: float | None = None
    probability: float | None = Field(None, ge=0, le=1, description="that it is the nearest one")


class Scale(Part):
    """What a distance is to be read against, in the measure's unit."""

    self_distance: float | None = Field(None, description="between two trainings of the target itself")
    untrained_distance: float | None = Field(None, description="of networks that were never trained")


class Mend(Part):
    """The call that would make a baseline comparable."""

    method: str
    path: str
    body: dict[str, Any] | None


class Distance(Part):
    """The distance from one baseline to the target, with its spread over repetitions."""

    task_id: str
    name: str
    measure: str
    mean: float | None = Field(None, description="null where the baseline is not comparable")
    std: float | None = None
    signed: float | None = Field(None, description="mean of the difference before its absolute value")
    others: dict[str, float | None] = Field(default_factory=dict, description="by other measures")
    mend: Mend | None = None
    interval: Interval | None = Field(None, description="90 % for the expected distance over training seeds")
    repetitions: int | None = None
    probability_closest: float | None = Field(None, description="null too where it was left behind early on")
    comparable: bool | None = None
    approximation: bool | None = Field(None, description="whether the baseline's networks all reach 1-ε")
    standard_error: float | None = Field(None, description="from the sampling of images, in the measure's unit")
    samples: int | None = Field(None, description="images of the target that the distance was taken on")
    contributions: list[Contribution] | None = Field(None, description="of each layer, mean over repetitions")


class Eligibility(Part):
    """Whether a baseline took part, and if not, why."""

    task_id: str
    name: str
    eligible: bool
    reason: str | None = None


class SearchSpace(Part):
    """The space that was searched, and how small it is beside the full one."""

    source_task_ids: list[str] | None = None
    primitives: list[str] | None = None
    nodes: int | None = None
    skeleton: dict[str, Any] | None = None
    size: int | None = None
    fraction_of_full: float | None = None


class SearchRun(Part):
    """How the space was searched, and what that was foretold to take."""

    strategy: str | None = None
    settings: dict[str, Any] | None = Field(None, description="of the strategy, those chosen by default included")
    splits: int | None = Field(
        None, description="into training and validation images, that winners were compared on; 1: the task's own"
    )
    constraints: dict[str, float] | None = Field(None, description="the limits that were asked for")
    latency_table: dict[str, Any] | None = Field(None, description="milliseconds by primitive, under a latency limit")
    forecast: dict[str, float] | None = Field(
        None,
        description="seconds, before the search began: `iteration`, `search`, `training`, `job` in all, and of it "
        "what was `spent` by then",
    )
    scored: int | None = Field(None, description="cells that the search scored")
    chosen: dict[str, Any] | None = Field(None, description="the best of them that keeps a limit on latency")
    latency_ms: float | None = Field(None, description="of `chosen`, measured; null without a limit on latency")
    final_epochs: int | None = Field(None, description="what a budget in seconds left of the final training's epochs")


class WarmStart(Part):
    """The network whose weights, but for its head, the final training began at; `null` fields: at fresh weights."""

    task_id: str | None = Field(None, description="the baseline on whose images it was trained")
    name: str | None = None
    network: str | None = Field(None, description="its content key")


class ChosenArchitecture(Part):
    """The network that is recommended; its weights and code lie at `/v1/architectures/{id}`."""

    id: str | None = None
    genotype: dict[str, Any] | None = None
    skeleton: dict[str, Any] | None = None
    parameters: int | None = None
    macs: int | None = None
    latency_ms: float | None = Field(
        None, description="for one image; under a limit the measurement that was held against it"
    )


class ValidationScores(Part):
    """On images that the search has seen."""

    accuracy: float | None = None
    balanced_accuracy: float | None = None
    macro_f1: float | None = None


class TestScores(Part):
    """On images that nothing has seen before."""

    accuracy: float | None = None
    interval: Interval | None = Field(None, description="95 % Wilson interval over images")
    balanced_accuracy: float | None = None
    macro_f1: float | None = None
    recall: list[float | None] | None = Field(None, description="of each class, in their order")
    std_over_seeds: float | None = Field(None, description="of the accuracies of all networks; null with one")
    seeds: int | list[int] | None = Field(None, description="networks trained, each from a seed of its own")


class ControlArm(Part):
    """One way to spend the seconds, from several seeds; validation images only."""

    reason: str | None = Field(None, description="why there is no such network under the constraints")
    architectures: list[dict[str, Any]] | None = Field(None, description="what was trained, one for each seed")
    scores: list[float] | None = Field(None, description="under the objective on validation images, by seed")
    mean: float | None = None
    difference: float | None = Field(None, description="what was found minus this, in the mean over the seeds")
    interval: Interval | None = Field(None, description="90 % for the difference, over seeds and validation images")
    verdict: ControlVerdict | None = None


class Control(Part):
    """What was found, beside what the same seconds find without the memory of tasks."""

    verdict: ControlVerdict | None = Field(
        None,
        description="`hurt` if any other way is shown to be better, `helped` if each is shown to be worse; null until "
        "all networks are trained",
    )
    seeds: int | None = None
    confidence: float | None = Field(None, description="of the intervals")
    objective: Objective | None = None
    seconds: float | None = Field(None, description="of a search without the memory: fit, distance and search together")
    search_seconds: float | None = Field(None, description="of a search with it")
    latency_table: dict[str, Any] | None = Field(None, description="milliseconds by primitive, under a latency limit")
    found: ControlArm = Field(default_factory=ControlArm, description="the search with the memory of tasks")
    full_space: ControlArm = Field(default_factory=ControlArm, description="the same strategy on the full space")
    random: ControlArm = Field(default_factory=ControlArm, description="random search on the full space")
    resnet18: ControlArm = Field(default_factory=ControlArm, description="ResNet-18 as wide as the constraints allow")


class Cost(Part):
    """What the answer took."""

    stage_seconds: dict[str, float] | None = None
    device: str | None = None
    device_seconds: float | None = None
    micro_batch: int | None = Field(
        None,
        description="images that went through a network at a time in the end, where memory did not suffice for whole "
        "batches; null where it did",
    )


class Provenance(Part):
    """What one needs to get the same answer again."""

    seed: int | None = None
    recipe: Any = None
    digests: dict[str, Any] | None = None
    versions: dict[str, Any] | None = None


class Recommendation(Part):
    """The answer to `POST /v1/recommendations`, from the first poll to the last."""

    id: str
    name: str | None
    job_id: str
    state: State
    stage: str | None
    progress: Progress
    created_at: Instant
    finished_at: Instant | None
    error: Problem | None
    target: Target
    approximation: bool | None = Field(None, description="whether all networks of the target reach 1-ε")
    verdict: Verdict | None = None
    tied: list[str] | None = Field(
        None, description="ids of the tied baselines, the most probable first; empty unless the verdict is `tie`"
    )
    closest: Closest = Field(default_factory=Closest)
    scale: Scale = Field(default_factory=Scale)
    distances: list[Distance] | None = None
    eligibility: list[Eligibility] | None = None
    search_space: SearchSpace = Field(default_factory=SearchSpace)
    search: SearchRun = Field(default_factory=SearchRun)
    architecture: ChosenArchitecture = Field(default_factory=ChosenArchitecture)
    warm_start: WarmStart = Field(default_factory=WarmStart)
    validation: ValidationScores = Field(default_factory=ValidationScores)
    test: TestScores = Field(default_factory=TestScores)
    control: Control | None = Field(None, description="null unless it was asked for")
    warnings: list[str] | None = Field(None, description="what a reader has to know, in words")
    webhook: Webhook | None = Field(None, description="null unless it was asked for")
    cost: Cost = Field(default_factory=Cost)
    provenance: Provenance = Field(default_factory=Provenance)


class RecommendationSummary(Resource):
    """A recommendation as the listing shows it."""

    name: str | None
    job_id: str
    task_id: str
    state: State
    stage: str | None
    verdict: Verdict | None
    created_at: Instant
    finished_at: Instant | None
