"""Converts rows of the registry to response documents."""

from collections.abc import Sequence
from typing import Any, TypeVar

from ldnas.data.class_counts import ClassCount, refusals
from ldnas.data.reference import COLUMN_KEYS
from ldnas.data.shown_uri import shown_reference
from service.api.errors import problem_of_job
from service.schemas.answer import Recommendation, RecommendationSummary
from service.schemas.architectures import Architecture
from service.schemas.base import Document
from service.schemas.datasets import Dataset, DatasetSummary
from service.schemas.jobs import Job
from service.schemas.tasks import Digests, Task, TaskCell, TaskGenotype, TaskNetwork, TaskSummary
from service.schemas.webhooks import Webhook
from service.schemas.workers import RunningJob, Worker
from worker.registry import (
    SCHEME,
    ArchitectureRow,
    DatasetRow,
    JobKind,
    JobRow,
    ListedRecommendation,
    NetworkRow,
    RecommendationRow,
    Registry,
    SeenWorker,
    TaskRow,
)

DocumentT = TypeVar("DocumentT", bound=Document)


def job_document(job: JobRow) -> Job:
    """A job without the fields that only workers need (lease, checkpoint)."""
    return _document(Job, job, cancel_requested=job.cancel_requested_at is not None, **_progress_and_error(job))


def job_summary(job: JobRow) -> Job:
    """A job in a listing, without the long lists in `params`."""
    document = job_document(job)
    short = {key: value for key, value in document.params.items() if not isinstance(value, list) or len(value) <= 20}
    return document.model_copy(update={"params": short})


def task_summary(task: TaskRow, state: str) -> TaskSummary:
    """A task in a listing; `state` is that of its job."""
    return _document(TaskSummary, task, state=state, **_converted_task(task))


def task_document(registry: Registry, task: TaskRow, job: JobRow) -> Task:
    """A task with its progress; its networks by repetition, its genotypes with the best first."""
    results = registry.task_results
    return _document(
        Task,
        task,
        **_converted_task(task),
        **_progress_and_error(job),
        state=job.state,
        stage=job.stage,
        finished_at=job.finished_at,
        networks=[
            _network(network, repetition, task.epsilon) for repetition, network in enumerate(results.networks(task.id))
        ],
        genotypes=[TaskGenotype.model_validate(genotype) for genotype in results.genotypes(task.id)],
        cells=[_document(TaskCell, own.training, weights=own.weights) for own in results.trainings(task.id)],
        warnings=(job.result or {}).get("warnings", ()) if job.kind == JobKind.REGISTER_TASK else (),
    )


def recommendation_document(
    recommendation: RecommendationRow, job: JobRow, webhook: Webhook | None = None
) -> Recommendation:
    """The answer so far: the request, overlaid by the results of the stages, overlaid by the job's fields."""
    known = {part: value for part, value in recommendation.document.items() if value is not None}
    asked = {name: recommendation.request.get(name) for name in ("dataset", "labels", "image_size")}
    target = {"task_id": recommendation.task_id, **asked, **known.get("target", {})}
    target["dataset"] = shown_reference(target["dataset"])
    sizes: list[int] = [target[split] for split in ("train", "validation", "test") if target.get(split) is not None]
    seen = {"images": sum(sizes) if sizes else None, "image_size": target["image_size"]}
    return Recommendation.model_validate(
        known
        | {
            "id": recommendation.id,
            "name": recommendation.name,
            "job_id": recommendation.job_id,
            "state": job.state,
            "stage": job.stage,
            "created_at": recommendation.created_at,
            "finished_at": job.finished_at,
            **_progress_and_error(job),
            "target": target,
            "expected": known.get("expected", {}) | seen,
            "webhook": webhook,
        }
    )


def recommendation_summary(recommendation: RecommendationRow, job: JobRow) -> RecommendationSummary:
    """A recommendation in a listing."""
    return _document(
        RecommendationSummary,
        recommendation,
        state=job.state,
        stage=job.stage,
        verdict=recommendation.document.get("verdict"),
        finished_at=job.finished_at,
    )


def summary_of_line(row: Sequence[Any]) -> RecommendationSummary:
    """The same from a row of the listing `RECOMMENDATIONS`, which was read without the answer."""
    return RecommendationSummary.model_validate(ListedRecommendation(*row))


def architecture_document(architecture: ArchitectureRow) -> Architecture:
    """A finished network, with the paths of its files in place of their digests."""
    path = f"/v1/architectures/{architecture.id}"
    files = {file: f"{path}/{file}" for file in ("code", "weights", "program", "onnx", "card")}
    graph = None if architecture.genotype is None else f"{path}/graph"
    design = architecture.network_design
    return _document(Architecture, architecture, kind=design["kind"], design=design, graph=graph, **files)


def dataset_summary(dataset: DatasetRow) -> DatasetSummary:
    """A dataset in a listing."""
    return _document(DatasetSummary, dataset, **_converted_dataset(dataset))


def dataset_document(dataset: DatasetRow) -> Dataset:
    """A dataset with its classes."""
    classes = [ClassCount(**count) for count in dataset.classes or ()]
    return _document(
        Dataset,
        dataset,
        **_converted_dataset(dataset),
        warnings=dataset.warnings or (),
        job_refusals=tuple(refusal.message for refusal in refusals(classes)) if classes else (),
    )


def worker_document(seen: SeenWorker) -> Worker:
    """A worker with the jobs that it holds."""
    row = seen.row
    return _document(
        Worker, row, slots=len(row.devices), alive=seen.alive, jobs=[_held(row.name, job) for job in seen.jobs]
    )


def _document(document: type[DocumentT], row: object, /, **converted: Any) -> DocumentT:
    """A document with the row's columns of the same names, and the fields that are converted from others."""
    columns = document.model_fields.keys() - converted.keys()
    return document(**{name: getattr(row, name) for name in columns}, **converted)


def _converted_dataset(dataset: DatasetRow) -> dict[str, Any]:
    counts = {
        split: None if dataset.classes is None else sum(count[split] for count in dataset.classes)
        for split in ("train", "validation", "test")
    }
    return {
        "uri": f"{SCHEME}{dataset.name}",
        "columns": {key: dataset.reference[key] for key in COLUMN_KEYS if key in dataset.reference},
        "images": None if dataset.classes is None else sum(counts.values()),
        "counts": counts,
        "samples": None if dataset.samples is None else f"/v1/datasets/{dataset.name}/samples",
    }


def _converted_task(task: TaskRow) -> dict[str, Any]:
    return {
        "dataset": shown_reference(task.dataset),
        "network": task.architecture,
        "weights": None if task.weights is None else f"{SCHEME}{task.weights}",
        "counts": task.counts or {},
        "digests": Digests(
            dataset=task.dataset_digest, mapping=task.mapping_digest, preprocessing=task.preprocessing_digest
        ),
        "samples": None if task.samples is None else f"/v1/tasks/{task.id}/samples",
    }


def _network(network: NetworkRow, repetition: int, epsilon: float) -> TaskNetwork:
    return _document(
        TaskNetwork,
        network,
        repetition=repetition,
        approximation=network.validation_balanced_accuracy >= 1 - epsilon,
    )


def _progress_and_error(job: JobRow) -> dict[str, Any]:
    return {"progress": job.progress or {}, "error": None if job.error is None else problem_of_job(job.error)}


def _held(worker: str, job: JobRow) -> RunningJob:
    device = (job.lease_owner or "").removeprefix(f"{worker}:")
    return _document(RunningJob, job, device=device)
