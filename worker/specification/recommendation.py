"""The request for a recommendation: the body of `POST /v1/recommendations`, stored with its answer for the runner."""

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from ldnas.space.constraints import UNLIMITED, Constraints
from worker.specification.base import BASELINE_NAME, FormText, Fraction, ImageSize, Name, PlainText, Request, Seed
from worker.specification.parts import DatasetRequest, LabelsRequest, Measure, Objective, PretrainedNetwork
from worker.specification.webhook import WebhookRequest

Strategy = Literal[
    "fuse", "random", "random_sharing", "enas", "darts", "darts_second_order", "pc_darts", "evolution", "race"
]
CandidateKind = Literal["cell", "plain", "pretrained"]
Space = Literal["known", "primitives", "full"]

RACE = "race"
RACE_SECONDS = 180.0
"""The seconds of a job with a race whose stored request has no budget."""
DEFAULT_ITERATIONS = 12
"""The iterations of a search without a budget, at most."""

REPETITIONS = 3
"""The networks of a task whose request does not give their number; a short race trains fewer."""


class BudgetRequest(Request):
    """The budget: seconds of the whole job, or iterations of the search; exactly one of the two."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"seconds": 120}, {"iterations": 4}],
            "oneOf": [
                {
                    "required": ["seconds"],
                    "properties": {"seconds": {"type": "number"}, "iterations": {"type": "null"}},
                },
                {
                    "required": ["iterations"],
                    "properties": {"iterations": {"type": "integer"}, "seconds": {"type": "null"}},
                },
            ],
        }
    )

    seconds: Annotated[
        float | None, FormText("Minutes", "For the whole job; at the end the best network so far is the answer.")
    ] = Field(
        None,
        gt=0,
        le=10_000_000,
        allow_inf_nan=False,
        description="seconds of the whole job, as its stages count them; the job then returns the best network so far",
    )
    iterations: Annotated[int | None, FormText("Iterations of the search", "At most; the job has no time limit.")] = (
        Field(None, ge=1, le=10_000, description="maximum number of iterations of the search")
    )

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if (self.seconds is None) == (self.iterations is None):
            raise PydanticCustomError("budget", "a budget has either seconds or iterations")
        return self


class ConstraintsRequest(Request):
    """Limits on the network; an absent field is not limited."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"max_parameters": 100_000, "max_latency_ms": 20}]})

    max_parameters: Annotated[
        int | None, FormText("Parameters, at most", "Trainable numbers; they set the file size.", "no limit")
    ] = Field(None, ge=1, le=2**53, description="trainable parameters")
    max_macs: Annotated[
        int | None, FormText("Multiply-adds, at most", "The cost of computing one image.", "no limit")
    ] = Field(None, ge=1, le=2**53, description="multiply-adds for one image")
    max_latency_ms: Annotated[
        float | None,
        FormText(
            "Milliseconds, at most", "For one image on the worker's machine; predicted, then measured.", "no limit"
        ),
    ] = Field(
        None, gt=0, allow_inf_nan=False, description="for one image on the worker's device; predicted, then measured"
    )


class SearchRequest(Request):
    """The settings of the search; the strategy chooses absent ones."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"strategy": "evolution", "candidates": 6, "rounds": 2}]})

    strategy: Annotated[
        Strategy | None,
        FormText("Strategy", "How the network is found.", "the service chooses: race"),
    ] = Field(
        None,
        description="`race` trains whole networks of several kinds side by side, within seconds; the others search a "
        "space of cells, and `docs/search.md` compares them. Absent: `race`, or `fuse` if the request has a setting "
        "that a race does not take (`budget.iterations`, `search.candidates`, `search.rounds` or `final`)",
    )
    candidates: Annotated[
        int | None,
        FormText(
            "Networks in an iteration",
            "The number of networks that are compared with each other.",
            "the default of the strategy",
        ),
    ] = Field(
        None,
        ge=2,
        le=64,
        description="networks per iteration; absent: 3 with `fuse`, 4 with `random` and `evolution`, 10 with "
        "`enas`, 16 with `random_sharing`; not accepted by `darts`, `darts_second_order`, `pc_darts`",
    )
    rounds: Annotated[
        int | None,
        FormText("Rounds in an iteration", "For fuse; for random and evolution, the epochs of a network.", "3"),
    ] = Field(
        None,
        ge=1,
        le=1000,
        description="maximum rounds of one iteration of `fuse`; epochs of a network in `random` and `evolution`; "
        "absent: 3; not accepted by the others",
    )
    k: Annotated[
        int | None, FormText("Cells of the closest task", "So many of its best cells define the search space.", "1")
    ] = Field(
        None,
        ge=1,
        le=1000,
        description="number of best genotypes of the closest task that span the search space; with `race`, the number "
        "of cells from `space`; absent: 1",
    )
    space: Annotated[
        Space | None,
        FormText(
            "Cells that are searched",
            "Those that tasks have scored are for a race alone.",
            "scored ones in a race, else the closest task's primitives",
        ),
    ] = Field(
        None,
        description="the cells that take part. `known`, for `race` alone: the best cells by the pooled scores of all "
        "known tasks, and neighbours of them. `primitives`: cells whose edges use only primitives of the closest "
        "task's best cells. `full`: all cells. Absent: `known` with `race`, `primitives` with the other strategies",
    )


class FinalRequest(Request):
    """The settings of the final training."""

    seeds: Annotated[int, FormText("Networks trained in the end", "The best on validation images is the answer.")] = (
        Field(1, ge=1, le=10, description="number of networks to train; the best on validation images is the result")
    )
    warm_start: Annotated[
        bool,
        FormText(
            "Begin at weights trained on the closest task", "Helps with few images; has no effect without a close task."
        ),
    ] = Field(
        False,
        description="initialise the weights, except the head, from the same network trained on the closest baseline's "
        "images; without a close task, from fresh weights, with a warning",
    )


class RecommendationRequest(Request):
    """A new task to recommend an architecture for."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "primes",
                    "dataset": {"uri": "builtin://digits"},
                    "labels": {"groups": [[2, 3, 5, 7]], "rest": True},
                },
                {
                    "name": "raced digits",
                    "dataset": {"uri": "builtin://digits"},
                    "search": {"strategy": "race", "k": 2, "space": "known"},
                    "candidates": ["cell", "pretrained"],
                    "budget": {"seconds": 300},
                },
                {
                    "name": "small primes",
                    "dataset": {"uri": "builtin://digits"},
                    "labels": {"groups": [[2, 3, 5, 7]], "rest": True, "balance": True},
                    "network": "small_cnn",
                    "epsilon": 0.1,
                    "repetitions": 2,
                    "require_approximation": True,
                    "measure": "log_det_layerwise",
                    "image_size": 16,
                    "objective": "balanced_accuracy",
                    "budget": {"seconds": 120},
                    "constraints": {"max_parameters": 50_000, "max_macs": 5_000_000, "max_latency_ms": 20},
                    "search": {"strategy": "evolution", "candidates": 6, "rounds": 2, "k": 3, "space": "primitives"},
                    "final": {"seeds": 3, "warm_start": True},
                    "control": False,
                    "seed": 7,
                    "priority": 10,
                },
            ]
        }
    )

    name: Annotated[
        Name | None,
        FormText("Name", "Name of the answer: letters A to Z or a to z, digits, blanks and _ . | -.", "its id"),
    ] = None
    dataset: DatasetRequest
    labels: LabelsRequest | None = Field(None, description="absent: the classes of the dataset itself")
    network: Annotated[
        PlainText | None, FormText("Network that measures distances", "Trained on each task.", "the service chooses")
    ] = Field(None, description="architecture of the networks that measure distances")
    epsilon: Annotated[
        Fraction,
        FormText("Epsilon", "A network represents its task if its balanced validation accuracy reaches 1 − epsilon."),
    ] = Field(0.2, description="a network approximates the task at a balanced validation accuracy of at least 1-ε")
    repetitions: Annotated[
        int | None,
        FormText(
            "Networks for each distance",
            "Each has its own seed; more make the interval narrower.",
            "3, or fewer in a short race",
        ),
    ] = Field(
        None,
        ge=1,
        le=100,
        description="number of networks to train, each from its own seed; absent: 3, or with the strategy `race` as "
        "many of them as a tenth of its seconds suffices for, at least one",
    )
    require_approximation: Annotated[
        bool, FormText("Leave out tasks whose networks miss 1 − epsilon", "Their distances may mislead.")
    ] = Field(False, description="leave out baselines whose networks do not reach 1-ε")
    measure: Annotated[Measure, FormText("Distance", "How far two tasks are from each other.")] = "log_det_layerwise"
    baselines: list[Name] | None = Field(
        None, max_length=1000, description=f"each {BASELINE_NAME}; the job waits for them; absent: all that are ready"
    )
    image_size: Annotated[
        ImageSize | None,
        FormText("Side of the images, in pixels", "Each image is resized to this.", "derived from the images"),
    ] = Field(
        None,
        description="side of the square images of search and final training, in pixels, 8 to 256; absent: the value "
        "of 16, 32, 48, 64, 96, 128, 192 and 256 nearest to the median longer side of the images",
    )
    objective: Annotated[Objective, FormText("Objective", "The score that the network is trained and chosen for.")] = (
        Field("accuracy", description="objective of the final training; see `validation` and `test`")
    )
    budget: BudgetRequest | None = Field(
        None,
        description="absent: the seconds of `LDNAS_DEFAULT_SECONDS` (180), or with a strategy that searches at most "
        "12 iterations",
    )
    constraints: ConstraintsRequest | None = Field(None, description="absent: no limits")
    search: SearchRequest = Field(default_factory=SearchRequest, description="absent: `race`; see `search.strategy`")
    candidates: list[CandidateKind] | None = Field(
        None,
        min_length=1,
        max_length=3,
        description="with the strategy `race`, the kinds of networks that take part: cells (see `search.space`), "
        "ResNet-18 and MobileNetV3-small (plain), and EfficientNet-Lite0 with its ImageNet weights; absent: all of "
        "them",
    )
    pretrained: PretrainedNetwork | None = Field(
        None, description="with the strategy `race`, one more pretrained network that takes part"
    )
    final: FinalRequest = Field(default_factory=FinalRequest, description="absent: one network")
    control: Annotated[
        bool,
        FormText(
            "Also spend the time in other ways, for comparison",
            "Shows whether the known tasks, or the race, helped. Takes several times as long again, in addition to the "
            "budget.",
        ),
    ] = Field(
        False,
        description="afterwards also spend the same seconds without the known tasks, in three ways, or with the "
        "strategy `race` on a random cell and on ResNet-18: see `control` in the answer. Takes several times as long, "
        "in addition to `budget`",
    )
    seed: Annotated[Seed, FormText("Random seed", "Another seed gives another run on the same images.")] = 0
    priority: Annotated[int, FormText("Priority", "The waiting job with the highest priority starts first.")] = Field(
        0, ge=-100, le=100, description="jobs of higher priority run first"
    )
    webhook: WebhookRequest | None = Field(
        None, description="the receiver notified of the end; see `webhooks` of this document"
    )

    @property
    def strategy(self) -> Strategy:
        """The strategy that the request names, or the default one for its other settings."""
        if self.search.strategy is not None:
            return self.search.strategy
        return "fuse" if self.settings_of_searches else "race"

    @property
    def space(self) -> Space:
        """The space that the request names, or the default one of its strategy."""
        return self.search.space or ("known" if self.strategy == RACE else "primitives")

    @property
    def settings_of_searches(self) -> tuple[str, ...]:
        """The dotted names of given settings that a race does not take: it has seconds, and trains its winner once."""
        given = {
            "budget.iterations": self.budget is not None and self.budget.iterations is not None,
            "search.candidates": self.search.candidates is not None,
            "search.rounds": self.search.rounds is not None,
            "final.seeds": self.final.seeds != 1,
            "final.warm_start": self.final.warm_start,
        }
        return tuple(name for name, is_given in given.items() if is_given)

    @property
    def race_seconds(self) -> float:
        """The seconds of a whole job with a race."""
        return RACE_SECONDS if self.budget is None or self.budget.seconds is None else self.budget.seconds

    @property
    def limits(self) -> Constraints:
        """The limits on the network."""
        return UNLIMITED if self.constraints is None else Constraints(**self.constraints.model_dump())


def form_text(path: str) -> FormText | None:
    """The text of a field of the request, by its dotted path."""
    model: type[BaseModel] = RecommendationRequest
    *parents, name = path.split(".")
    for parent in parents:
        [model] = [kind for kind in _types(model.model_fields[parent].annotation) if issubclass(kind, BaseModel)]
    return next((each for each in model.model_fields[name].metadata if isinstance(each, FormText)), None)


def _types(annotation: Any) -> tuple[type, ...]:
    return get_args(annotation) or (annotation,)
