"""The recommendation document: it has every field from the first poll, `null` until the value is known.

Only `error`, `decided`, `control`, `webhook` and a distance's `mend` may be `null` themselves. Every other object is
present from the start with fields that are `null`, so that a client need not check whether `answer["test"]` is an
object.
"""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from service.schemas.base import Document, Instant, Resource
from service.schemas.distances import Contribution
from service.schemas.jobs import Progress, State
from service.schemas.problems import Problem
from service.schemas.tasks import ClassCount, Digests
from service.schemas.webhooks import Webhook
from worker.specification import Objective

Verdict = Literal["closest", "tie", "no_close_task", "no_baseline"]
ControlVerdict = Literal["helped", "undecided", "hurt"]
Interval = tuple[float, float]


class Part(Document):
    """A part of the answer. Unknown fields, written by a newer worker, are passed on."""

    model_config = ConfigDict(extra="allow")


class Target(Part):
    """The new task, and the number of images in each of its splits."""

    task_id: str
    dataset: dict[str, Any]
    labels: dict[str, Any] | None = None
    classes: tuple[str, ...] | None = None
    class_counts: tuple[ClassCount, ...] | None = Field(
        None,
        description="images of each class; from the first answer where the service knows the dataset's classes "
        "(uploaded, built in), otherwise null until the stage `resolve` has ended",
    )
    train: int | None = None
    validation: int | None = None
    test: int | None = None
    image_size: int | None = None
    digests: Digests = Field(default_factory=Digests)


class Expected(Part):
    """The expected seconds of a recommendation, and the facts that determine them."""

    seconds: float | None = Field(
        None,
        description="budget of the whole job, without its wait for a worker and for baselines, and without `control`; "
        "null for a search that ends after a number of iterations, see `search.forecast`",
    )
    iterations: int | None = Field(None, description="of such a search, at most")
    is_default: bool | None = Field(None, description="whether the request had no budget, so that this is the default")
    device: str | None = Field(
        None, description="`cpu` or `cuda`, if all workers had the same at the time of the request"
    )
    images: int | None = Field(None, description="of the task, in all splits; null until they are known")
    image_size: int | None = Field(None, description="side of the square images, in pixels; null until it is known")


class Closest(Part):
    """The nearest baseline, or in a tie the most probable one; fields are `null` for other verdicts."""

    task_id: str | None = None
    name: str | None = None
    distance: float | None = None
    probability: float | None = Field(None, ge=0, le=1, description="probability that this baseline is the nearest")


class Scale(Part):
    """Reference values for distances, in the measure's unit."""

    self_distance: float | None = Field(None, description="distance between two trainings of the target")
    untrained_distance: float | None = Field(None, description="distance between untrained networks")


class Decided(Part):
    """Fewer images than the recipe's sufficed for the verdict."""

    samples: int = Field(description="number of the target's images that decided it")
    of: int = Field(description="number of images that the recipe has")
    probability: float = Field(ge=0, le=1, description="probability that all images would give the same verdict")


class Mend(Part):
    """The API call that makes the baseline comparable."""

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
    signed: float | None = Field(None, description="mean difference, before the absolute value is taken")
    others: dict[str, float | None] = Field(default_factory=dict, description="distances by other measures")
    mend: Mend | None = None
    interval: Interval | None = Field(None, description="90 % for the expected distance over training seeds")
    repetitions: int | None = None
    probability_closest: float | None = Field(None, description="also null where the baseline was ruled out early")
    comparable: bool | None = None
    approximation: bool | None = Field(None, description="whether the baseline's networks all reach 1-ε")
    standard_error: float | None = Field(None, description="from the sampling of images, in the measure's unit")
    samples: int | None = Field(None, description="number of the target's images that the distance was measured on")
    contributions: tuple[Contribution, ...] | None = Field(
        None, description="contribution of each layer, mean over repetitions"
    )


class Eligibility(Part):
    """Whether a baseline was eligible, and if not, why."""

    task_id: str
    name: str
    eligible: bool
    reason: str | None = None


class SearchSpace(Part):
    """The search space, and its size relative to the full space."""

    source_task_ids: tuple[str, ...] | None = None
    primitives: tuple[str, ...] | None = None
    nodes: int | None = None
    skeleton: dict[str, Any] | None = None
    size: int | None = None
    fraction_of_full: float | None = None


class Alternative(Part):
    """A network that took part in the race, with its best score on validation images."""

    name: str
    kind: str
    design: dict[str, Any]
    started_from: str | None = Field(None, description="the source of its first weights; null for fresh ones")
    validation: float = Field(description="its best score: the objective on validation images")
    standard_error: float = Field(description="of `validation`, over images and repeated trainings")
    parameters: int
    macs: int
    latency_ms: float = Field(description="for one image on the worker's device")
    epochs: int | float = Field(description="passes over the training images; 0 if only its head was fitted")
    seconds: float = Field(description="of its training")
    left: int | None = Field(
        None, description="the round, from 0, after which it left; null for the last one in the race"
    )
    on_front: bool = Field(description="whether no other one is at least as good, as small and as fast")
    architecture_id: str | None = Field(
        None, description="of the winner, once it is exported; null for the others, whose weights are not stored"
    )


class PassedOver(Part):
    """A network that did not take part in the race."""

    name: str
    kind: str
    outclassed: bool = Field(
        False,
        description="true: a pretrained network was too far ahead of the networks from fresh weights that were tried "
        "before; false: the seconds did not suffice",
    )


class Memory(Part):
    """The scores that the cells of a race were chosen by."""

    tasks: int = Field(description="number of tasks whose scores were pooled")
    cells: int = Field(description="number of cells that have a score")
    starter: bool = Field(description="whether scores that the package carries are among them")
    closeness: str = Field(description="whether closer tasks count more, and why, in a sentence")


class SearchRun(Part):
    """The settings of the search, and its forecast."""

    strategy: str | None = None
    settings: dict[str, Any] | None = Field(None, description="settings of the strategy, including defaults")
    splits: int | None = Field(
        None,
        description="number of training/validation splits on which winners were compared; 1: the task's own",
    )
    constraints: dict[str, float] | None = Field(None, description="the requested limits")
    latency_table: dict[str, Any] | None = Field(None, description="milliseconds by primitive, under a latency limit")
    forecast: dict[str, float] | None = Field(
        None,
        description="predicted seconds, as of the start of the search: `iteration`, `search`, `training`, the whole "
        "`job`, and the part of it already `spent`",
    )
    scored: int | None = Field(None, description="number of cells that the search scored")
    chosen: dict[str, Any] | None = Field(None, description="the best of them within the limit on latency")
    latency_ms: float | None = Field(None, description="of `chosen`, measured; null without a limit on latency")
    reason: str | None = Field(None, description="with the strategy `race`: why the winner won, in a sentence")
    memory: Memory | None = Field(
        None, description="with the strategy `race` and the space `known`: the scores that its cells were chosen by"
    )
    passed_over: tuple[PassedOver, ...] | None = Field(
        None, description="with the strategy `race`: networks that did not take part"
    )
    final_epochs: int | None = Field(None, description="epochs of the final training that the budget in seconds allows")


class WarmStart(Part):
    """The network whose weights, except its head, initialised the final training; `null` fields: fresh weights."""

    task_id: str | None = Field(None, description="the baseline that it was trained on")
    name: str | None = None
    network: str | None = Field(None, description="its content key")


class ChosenArchitecture(Part):
    """The recommended network; its weights and code are at `/v1/architectures/{id}`."""

    id: str | None = None
    kind: str | None = Field(None, description="`cell`, `plain` (from fresh weights) or `pretrained`")
    design: dict[str, Any] | None = Field(None, description="everything about the network but its weights")
    genotype: dict[str, Any] | None = Field(None, description="the cell; stays null for a network without one")
    skeleton: dict[str, Any] | None = None
    parameters: int | None = None
    macs: int | None = None
    latency_ms: float | None = Field(
        None, description="for one image; with a limit on latency, the measurement that was compared with it"
    )


class ValidationScores(Part):
    """Scores on the validation images, which the search has seen."""

    accuracy: float | None = None
    balanced_accuracy: float | None = None
    macro_f1: float | None = None


class TestScores(Part):
    """Scores on the test images, which neither the search nor the training has seen."""

    accuracy: float | None = None
    interval: Interval | None = Field(None, description="95 % Wilson interval over images")
    balanced_accuracy: float | None = None
    macro_f1: float | None = None
    recall: tuple[float | None, ...] | None = Field(
        None, description="recall of each class, in the order of the classes"
    )
    std_over_seeds: float | None = Field(
        None, description="standard deviation of the accuracies of all networks; null for one network"
    )
    seeds: int | tuple[int, ...] | None = Field(None, description="number of networks trained, each from its own seed")


class ControlArm(Part):
    """One arm of the comparison, from several seeds; on validation images only."""

    reason: str | None = Field(None, description="why the arm has no network within the constraints")
    architectures: tuple[dict[str, Any], ...] | None = Field(
        None, description="the trained architectures, one for each seed"
    )
    scores: tuple[float, ...] | None = Field(None, description="value of the objective on validation images, by seed")
    mean: float | None = None
    difference: float | None = Field(
        None, description="score of `found` minus the score of this arm, mean over the seeds"
    )
    interval: Interval | None = Field(
        None, description="90 % interval of the difference, over seeds and validation images"
    )
    verdict: ControlVerdict | None = None


class Control(Part):
    """A comparison with other ways to spend the same seconds: without the known tasks, or without a race."""

    verdict: ControlVerdict | None = Field(
        None,
        description="`hurt` if any other arm is shown to be better, `helped` if all others are shown to be worse; null "
        "until all networks are trained",
    )
    seeds: int | None = None
    confidence: float | None = Field(None, description="confidence level of the intervals")
    objective: Objective | None = None
    seconds: float | None = Field(
        None,
        description="seconds of a search without the known tasks: as long as fit, distance and search together; of a "
        "race, the seconds of each network",
    )
    search_seconds: float | None = Field(None, description="seconds of a search with the known tasks, or of a race")
    latency_table: dict[str, Any] | None = Field(None, description="milliseconds by primitive, under a latency limit")
    found: ControlArm = Field(
        default_factory=ControlArm,
        description="the search with the known tasks, or the winner of the race, trained alone by the other seeds",
    )
    full_space: ControlArm = Field(
        default_factory=ControlArm,
        description="the same strategy on the full space; a race has none, as its reason says",
    )
    random: ControlArm = Field(
        default_factory=ControlArm, description="random search on the full space; with a race, a random cell"
    )
    resnet18: ControlArm = Field(default_factory=ControlArm, description="ResNet-18 as wide as the constraints allow")


class Cost(Part):
    """The cost of the answer."""

    stage_seconds: dict[str, float] | None = None
    device: str | None = None
    device_seconds: float | None = None
    micro_batch: int | None = Field(
        None,
        description="images per forward pass in the end, where memory was too small for whole batches; null where it "
        "was large enough",
    )


class Provenance(Part):
    """The data needed to reproduce the answer."""

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
    expected: Expected = Field(default_factory=Expected)
    approximation: bool | None = Field(None, description="whether all networks of the target reach 1-ε")
    verdict: Verdict | None = None
    tied: tuple[str, ...] | None = Field(
        None, description="ids of the tied baselines, the most probable first; empty unless the verdict is `tie`"
    )
    closest: Closest = Field(default_factory=Closest)
    scale: Scale = Field(default_factory=Scale)
    decided: Decided | None = Field(None, description="null if all images of the recipe were needed for the distances")
    distances: tuple[Distance, ...] | None = None
    eligibility: tuple[Eligibility, ...] | None = None
    search_space: SearchSpace = Field(default_factory=SearchSpace)
    search: SearchRun = Field(default_factory=SearchRun)
    alternatives: tuple[Alternative, ...] | None = Field(
        None, description="with the strategy `race`: all networks that took part, the winner first"
    )
    architecture: ChosenArchitecture = Field(default_factory=ChosenArchitecture)
    warm_start: WarmStart = Field(default_factory=WarmStart)
    validation: ValidationScores = Field(default_factory=ValidationScores)
    test: TestScores = Field(default_factory=TestScores)
    control: Control | None = Field(None, description="null unless requested")
    warnings: tuple[str, ...] | None = Field(None, description="caveats for readers, as text")
    webhook: Webhook | None = Field(None, description="null unless requested")
    cost: Cost = Field(default_factory=Cost)
    provenance: Provenance = Field(default_factory=Provenance)


class RecommendationSummary(Resource):
    """A recommendation in a listing."""

    name: str | None
    job_id: str
    task_id: str
    state: State
    stage: str | None
    verdict: Verdict | None
    created_at: Instant
    finished_at: Instant | None
