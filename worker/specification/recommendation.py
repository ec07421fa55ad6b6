"""The request for a recommendation: the body of `POST /v1/recommendations`, stored with its answer for the runner."""

from typing import Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from ldnas.space.constraints import UNLIMITED, Constraints
from worker.specification.base import BASELINE_NAME, Fraction, ImageSize, Name, PlainText, Request, Seed
from worker.specification.parts import DatasetRequest, LabelsRequest, Measure, Objective
from worker.specification.webhook import WebhookRequest

Strategy = Literal["fuse", "random", "random_sharing", "enas", "darts", "darts_second_order", "pc_darts", "evolution"]


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

    seconds: float | None = Field(
        None,
        gt=0,
        le=10_000_000,
        allow_inf_nan=False,
        description="seconds of the whole job, as its stages count them; the job then returns the best network so far",
    )
    iterations: int | None = Field(None, ge=1, le=10_000, description="maximum number of iterations of the search")

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if (self.seconds is None) == (self.iterations is None):
            raise PydanticCustomError("budget", "a budget has either seconds or iterations")
        return self


class ConstraintsRequest(Request):
    """Limits on the network; an absent field is not limited."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"max_parameters": 100_000, "max_latency_ms": 20}]})

    max_parameters: int | None = Field(None, ge=1, le=2**53, description="trainable parameters")
    max_macs: int | None = Field(None, ge=1, le=2**53, description="multiply-adds for one image")
    max_latency_ms: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="for one image on the worker's device; predicted, then measured"
    )


class SearchRequest(Request):
    """The settings of the search; the strategy chooses absent ones."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"strategy": "evolution", "candidates": 6, "rounds": 2}]})

    strategy: Strategy = Field("fuse", description="the search strategy; `docs/search.md` compares them")
    candidates: int | None = Field(
        None,
        ge=2,
        le=64,
        description="networks per iteration; absent: 3 with `fuse`, 4 with `random` and `evolution`, 10 with "
        "`enas`, 16 with `random_sharing`; not accepted by `darts`, `darts_second_order`, `pc_darts`",
    )
    rounds: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="maximum rounds of one iteration of `fuse`; epochs of a network in `random` and `evolution`; "
        "absent: 3; not accepted by the others",
    )
    k: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="number of best genotypes of the closest task that span the search space; absent: 1",
    )


class FinalRequest(Request):
    """The settings of the final training."""

    seeds: int = Field(
        1, ge=1, le=10, description="number of networks to train; the best on validation images is the result"
    )
    warm_start: bool = Field(
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
                    "search": {"strategy": "evolution", "candidates": 6, "rounds": 2, "k": 3},
                    "final": {"seeds": 3, "warm_start": True},
                    "control": False,
                    "seed": 7,
                    "priority": 10,
                },
            ]
        }
    )

    name: Name | None = None
    dataset: DatasetRequest
    labels: LabelsRequest | None = Field(None, description="absent: the classes of the dataset itself")
    network: PlainText | None = Field(None, description="architecture of the networks that measure distances")
    epsilon: Fraction = Field(
        0.2, description="a network approximates the task at a balanced validation accuracy of at least 1-ε"
    )
    repetitions: int = Field(3, ge=1, le=100, description="number of networks to train, each from its own seed")
    require_approximation: bool = Field(False, description="leave out baselines whose networks do not reach 1-ε")
    measure: Measure = "log_det_layerwise"
    baselines: list[Name] | None = Field(
        None, max_length=1000, description=f"each {BASELINE_NAME}; the job waits for them; absent: all that are ready"
    )
    image_size: ImageSize | None = Field(
        None,
        description="side of the square images of search and final training, in pixels, 8 to 256; absent: the value "
        "of 16, 32, 48, 64, 96, 128, 192 and 256 nearest to the median longer side of the images",
    )
    objective: Objective = Field("accuracy", description="objective of the final training; see `validation` and `test`")
    budget: BudgetRequest | None = Field(None, description="absent: at most 12 iterations of the search")
    constraints: ConstraintsRequest | None = Field(None, description="absent: no limits")
    search: SearchRequest = Field(default_factory=SearchRequest, description="absent: `fuse` with its own settings")
    final: FinalRequest = Field(default_factory=FinalRequest, description="absent: one network")
    control: bool = Field(
        False,
        description="afterwards also spend the same seconds without the known tasks, in three ways: see `control` in "
        "the answer. Takes several times as long, in addition to `budget`",
    )
    seed: Seed = 0
    priority: int = Field(0, ge=-100, le=100, description="jobs of higher priority run first")
    webhook: WebhookRequest | None = Field(
        None, description="the receiver notified of the end; see `webhooks` of this document"
    )

    @property
    def limits(self) -> Constraints:
        """The limits on the network."""
        return UNLIMITED if self.constraints is None else Constraints(**self.constraints.model_dump())
