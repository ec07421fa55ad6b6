"""All data of a recommendation's page, read in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ldnas.data.shown_uri import shown_reference, shown_uri
from service.api.errors import MissingArtifactError, NotEvaluatedError
from service.api.evaluation import evaluation_document
from service.api.serializers import job_document, recommendation_document
from service.figures.candidates import Candidate, candidates_of
from service.figures.search_history import KINDS, Edges, SearchHistory, edges_of, search_history_of
from service.schemas.answer import Recommendation
from service.schemas.evaluation import Evaluation
from service.schemas.jobs import Job
from worker.errors import ArtifactStoreError, NotFoundError
from worker.registry import GenotypeRow, RecommendationRow, Registry, TaskRow
from worker.specification import RACE
from worker.storage.artifacts import ArtifactStore

MOST_EVENTS = 1000

FILES = {
    "code": ("code", "readable PyTorch in one file"),
    "weights": ("weights", "safetensors, for the code"),
    "program": ("program", "the graph with its weights, for torch.export.load"),
    "onnx": ("ONNX", "for ONNX Runtime and other programs that read ONNX"),
    "card": ("model card", "data, accuracy, limits and use, as Markdown"),
}
"""The files of an architecture: the name of each, and its use."""


@dataclass(frozen=True)
class StoredFile:
    """A file to download."""

    kind: str
    name: str
    use: str
    digest: str
    bytes: int | None


@dataclass(frozen=True)
class View:
    """The answer with its job, the events of the job, its task and its files."""

    document: Recommendation
    job: Job
    request: dict[str, Any]
    history: SearchHistory
    task: TaskRow | None
    scored: Sequence[GenotypeRow]
    files: Sequence[StoredFile] = field(default=())

    @property
    def is_race(self) -> bool:
        """Whether whole networks race, in place of a search for a cell."""
        return (self.request.get("search") or {}).get("strategy") == RACE

    @property
    def image_size(self) -> int | None:
        """Side of the network's square input in pixels, which may differ from the target's; None if not known."""
        architecture = self.document.architecture
        described = architecture.skeleton or architecture.design or {}
        size: int | None = described.get("image_size", self.document.target.image_size)
        return size

    @property
    def candidates(self) -> list[Candidate]:
        """The scored cells: from the events of the job, or from the stored genotypes if the events were removed."""
        skeleton = self.document.search_space.skeleton
        if skeleton is None:
            return []
        history = self.history
        if history.accuracies:
            return candidates_of(
                history.accuracies, {cell: history.name(cell) for cell in history.accuracies}, skeleton
            )
        stored = {
            edges_of(row.genotype): row.validation_accuracy
            for row in self.scored
            if row.validation_accuracy is not None
        }
        return candidates_of(stored, {cell: f"cell {place}" for place, cell in enumerate(stored, 1)}, skeleton)

    @property
    def chosen(self) -> Edges | None:
        """The recommended cell."""
        genotype = self.document.architecture.genotype or self.document.search.chosen
        return None if genotype is None else edges_of(genotype)

    @property
    def is_promoted(self) -> bool:
        """Whether the target has become a baseline."""
        return self.task is not None and self.task.role == "baseline"


def view_of(registry: Registry, recommendation_id: str) -> tuple[View, RecommendationRow]:
    """Returns the view of a recommendation, and its row.

    Raises:
        NotFoundError: the recommendation does not exist.
    """
    row = registry.recommendations.get(recommendation_id)
    job = registry.jobs.get(row.job_id)
    document = recommendation_document(row, job)
    try:
        task = registry.tasks.get(row.task_id)
    except NotFoundError:
        task = None
    view = View(
        document=document,
        job=job_document(job),
        request=_shown_request(row.request),
        history=search_history_of(registry.jobs.events_of_kinds(job.id, KINDS, MOST_EVENTS)),
        task=task,
        scored=() if task is None else registry.task_results.genotypes(task.id),
        files=_files(registry, document.architecture.id),
    )
    return view, row


def _shown_request(request: Mapping[str, Any]) -> dict[str, Any]:
    """The request without the queries of its URLs."""
    shown = {**request, "dataset": shown_reference(request["dataset"])}
    if pretrained := request.get("pretrained"):
        shown["pretrained"] = {**pretrained, "weights": shown_uri(pretrained["weights"])}
    return shown


def evaluation_of(row: RecommendationRow, store: ArtifactStore) -> Evaluation | None:
    """Reads the test evaluation; None before the network has seen the test images, or if its file cannot be read."""
    try:
        return evaluation_document(row, store)
    except (NotEvaluatedError, MissingArtifactError, ArtifactStoreError):
        return None


def _files(registry: Registry, architecture_id: str | None) -> list[StoredFile]:
    if architecture_id is None:
        return []
    try:
        row = registry.architectures.get(architecture_id)
    except NotFoundError:
        return []
    digests = {kind: getattr(row, kind) for kind in FILES}
    stored = {kind: registry.results.artifact(digest) for kind, digest in digests.items()}
    return [
        StoredFile(kind, name, use, digests[kind], None if (file := stored[kind]) is None else file.bytes)
        for kind, (name, use) in FILES.items()
    ]
