"""`POST /v1/recommendations`: what may be asked."""

from typing import Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from service.schemas.base import BASELINE_NAME, Fraction, ImageSize, Name, PlainText, Request, Seed
from service.schemas.distances import Measure
from service.schemas.requests import DatasetRequest, LabelsRequest, Objective

Strategy = Literal["fuse", "random", "random_sharing", "enas", "darts", "darts_second_order", "pc_darts", "evolution"]


class BudgetRequest(Request):
    """How much may be spent: seconds of the whole job, or iterations of the search; one of the two."""

    seconds: float | None = Field(
        None, gt=0, le=10_000_000, allow_inf_nan=False, description="of the whole job; the best so far is returned"
    )
    iterations: int | None = Field(None, ge=1, le=10_000, description="of the search; absent: 12")

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if (self.seconds is None) == (self.iterations is None):
            raise PydanticCustomError("budget", "a budget has seconds or iterations, one of the two")
        return self


class ConstraintsRequest(Request):
    """What the network may have at most; what is absent is not limited."""

    max_parameters: int | None = Field(None, ge=1, le=2**53, description="trainable parameters")
    max_macs: int | None = Field(None, ge=1, le=2**53, description="multiply-adds for one image")
    max_latency_ms: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="for one image on the worker's device; foretold, then measured"
    )


class SearchRequest(Request):
    """How the space is searched; what is absent is chosen by the strategy."""

    strategy: Strategy = "fuse"
    candidates: int | None = Field(
        None,
        ge=2,
        le=64,
        description="networks of one iteration; not taken by `darts`, `darts_second_order`, `pc_darts`",
    )
    rounds: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="cap of FUSE's rounds in one iteration; epochs of a network in `random` and `evolution`",
    )
    k: int | None = Field(None, ge=1, le=1000, description="best genotypes of the closest task that span the space")


class FinalRequest(Request):
    """How the network that was found is trained in the end."""

    seeds: int = Field(1, ge=1, le=10, description="networks trained; the best on validation images is the result")


class RecommendationRequest(Request):
    """A new task for which an architecture is wanted."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "primes",
                    "dataset": {"uri": "builtin://digits"},
                    "labels": {"groups": [[2, 3, 5, 7]], "rest": True},
                }
            ]
        }
    )

    name: Name | None = None
    dataset: DatasetRequest
    labels: LabelsRequest | None = Field(None, description="absent: the classes of the dataset itself")
    network: PlainText | None = Field(None, description="architecture of the networks that measure distances")
    epsilon: Fraction = Field(0.2, description="a network approximates the task from 1-ε balanced validation accuracy")
    repetitions: int = Field(3, ge=1, le=100, description="networks trained, each from a seed of its own")
    require_approximation: bool = Field(False, description="leave out baselines whose networks miss 1-ε")
    measure: Measure = "log_det_layerwise"
    baselines: list[Name] | None = Field(
        None, max_length=1000, description=f"each {BASELINE_NAME}, and waited for; absent: those that are ready"
    )
    image_size: ImageSize | None = Field(None, description="of search and final training; absent: from the data")
    objective: Objective = Field("accuracy", description="what the final training is for; see `validation` and `test`")
    budget: BudgetRequest | None = None
    constraints: ConstraintsRequest | None = None
    search: SearchRequest = Field(default_factory=SearchRequest)
    final: FinalRequest = Field(default_factory=FinalRequest)
    control: bool = Field(
        False,
        description="afterwards also spend the same seconds without the memory of tasks, three times over: see "
        "`control` in the answer. Takes several times as long again, outside of `budget`",
    )
    seed: Seed = 0
    priority: int = Field(0, ge=-100, le=100, description="higher goes first")
