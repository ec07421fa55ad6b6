"""`POST /v1/recommendations`: what may be asked."""

from typing import Literal

from pydantic import ConfigDict, Field

from service.schemas.base import BASELINE_NAME, Fraction, ImageSize, Name, PlainText, Request, Seed
from service.schemas.distances import Measure
from service.schemas.requests import DatasetRequest, LabelsRequest


class BudgetRequest(Request):
    """How much may be spent on the search."""

    iterations: int = Field(ge=1, le=10_000, description="iterations of the search")


class SearchRequest(Request):
    """How the space is searched; what is absent is chosen by the strategy."""

    strategy: Literal["fuse"] = "fuse"
    candidates: int | None = Field(None, ge=2, le=64, description="networks weighed against each other")
    rounds: int | None = Field(None, ge=1, le=1000, description="cap of the rounds in one iteration")
    k: int | None = Field(None, ge=1, le=1000, description="best genotypes of the closest task that span the space")


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
    budget: BudgetRequest | None = None
    search: SearchRequest = Field(default_factory=SearchRequest)
    seed: Seed = 0
    priority: int = Field(0, ge=-100, le=100, description="higher goes first")
