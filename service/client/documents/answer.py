"""The recommendation document: it has every field from the first poll, None until the value is known."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from service.client.documents.comparison import Closest, Distance, Eligibility, Scale
from service.client.documents.control import Control
from service.client.documents.job import Problem, Progress
from service.client.documents.part import Json, Part, load_by
from service.client.documents.search import (
    ChosenArchitecture,
    SearchRun,
    SearchSpace,
    TestScores,
    ValidationScores,
    WarmStart,
)
from service.client.documents.task import Digests
from service.client.documents.webhook import Webhook
from service.client.errors import NoNetworkError

if TYPE_CHECKING:
    from ldnas.export.loading import CellNetwork


@dataclass(frozen=True, eq=False, repr=False)
class Target(Part):
    """The new task, and the number of images in each of its splits."""

    task_id: str
    dataset: Json
    labels: Json | None
    classes: tuple[str, ...] | None
    train: int | None
    validation: int | None
    test: int | None
    image_size: int | None
    digests: Digests


@dataclass(frozen=True, eq=False, repr=False)
class Cost(Part):
    """The cost of the answer.

    Attributes:
        micro_batch: images per forward pass in the end, where memory was too small for whole batches; None where it
            was large enough.
    """

    stage_seconds: dict[str, float] | None
    device: str | None
    device_seconds: float | None
    micro_batch: int | None


@dataclass(frozen=True, eq=False, repr=False)
class Provenance(Part):
    """The data needed to reproduce the answer."""

    seed: int | None
    recipe: Any
    digests: Json | None
    versions: Json | None


@dataclass(frozen=True, eq=False, repr=False)
class Recommendation(Part):
    """The answer to `POST /v1/recommendations`, from the first poll to the last.

    Attributes:
        approximation: whether all networks of the target reach 1-ε.
        tied: ids of the tied baselines, the most probable first; empty unless the verdict is `tie`.
        control: None unless requested.
        warnings: caveats for readers, as text.
        webhook: None unless requested.
    """

    id: str
    name: str | None
    job_id: str
    state: str
    stage: str | None
    progress: Progress
    created_at: datetime
    finished_at: datetime | None
    error: Problem | None
    target: Target
    approximation: bool | None
    verdict: str | None
    tied: tuple[str, ...] | None
    closest: Closest
    scale: Scale
    distances: tuple[Distance, ...] | None
    eligibility: tuple[Eligibility, ...] | None
    search_space: SearchSpace
    search: SearchRun
    architecture: ChosenArchitecture
    warm_start: WarmStart
    validation: ValidationScores
    test: TestScores
    control: Control | None
    warnings: tuple[str, ...] | None
    cost: Cost
    provenance: Provenance
    webhook: Webhook | None

    def load_network(self) -> "CellNetwork":
        """The recommended network as a torch module; see `Client.load_network`.

        Raises:
            NoNetworkError: the recommendation has no network, or none yet.
        """
        if self.architecture.id is None:
            raise NoNetworkError(self.name or self.id, self.state)
        return load_by(self, self.architecture.id)

    def _repr_html_(self) -> str:
        """The HTML that a notebook shows."""
        from service.client.display.html import answer_html  # Rich takes time to import, and scripts do not need it

        return answer_html(self)


@dataclass(frozen=True, eq=False, repr=False)
class RecommendationSummary(Part):
    """A recommendation in a listing."""

    id: str
    name: str | None
    job_id: str
    task_id: str
    state: str
    stage: str | None
    verdict: str | None
    created_at: datetime
    finished_at: datetime | None
