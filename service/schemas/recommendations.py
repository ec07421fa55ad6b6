"""`POST /v1/recommendations`: what may be asked."""

from typing import Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from service.schemas.base import Fraction, ImageSize, Name, PlainText, Request, Seed
from service.schemas.distances import Measure
from service.schemas.requests import DatasetRequest, LabelsRequest


class BudgetRequest(Request):
    """Either the iterations of the search or the seconds of the whole job."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    iterations: int | None = Field(None, ge=1, le=10_000)
    seconds: float | None = Field(None, gt=0, le=30 * 86_400, allow_inf_nan=False)

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.iterations is None) == (self.seconds is None):
            raise PydanticCustomError("budget", "a budget is either `iterations` or `seconds`, one of the two")
        return self


class SearchRequest(Request):
    """How the space is searched; what is absent is chosen by the strategy."""

    strategy: Literal["fuse"] = "fuse"
    candidates: int | None = Field(None, ge=2, le=64, description="networks weighed against each other")
    rounds: int | None = Field(None, ge=1, le=1000, description="cap of the rounds in one iteration")
    k: int | None = Field(None, ge=1, le=1000, description="best genotypes of the closest task that span the space")


class RecommendationRequest(Request):
    """A new task for which an architecture is wanted."""

    name: Name | None = Field(None, examples=["primes"])
    dataset: DatasetRequest
    labels: LabelsRequest | None = Field(None, description="absent: the classes of the dataset itself")
    network: PlainText | None = Field(None, description="architecture of the networks that measure distances")
    epsilon: Fraction = Field(0.2, description="a network approximates the task from 1-ε balanced validation accuracy")
    repetitions: int = Field(3, ge=1, le=100, description="networks trained, each from a seed of its own")
    require_approximation: bool = Field(False, description="leave out baselines whose networks miss 1-ε")
    measure: Measure = "log_det_layerwise"
    baselines: list[Name] | None = Field(
        None, max_length=1000, description="names or ids, waited for; absent: those that are ready"
    )
    image_size: ImageSize | None = Field(None, description="of search and final training; absent: from the data")
    budget: BudgetRequest | None = None
    search: SearchRequest = Field(default_factory=SearchRequest)
    seed: Seed = 0
    priority: int = Field(0, ge=-100, le=100, description="higher goes first")
