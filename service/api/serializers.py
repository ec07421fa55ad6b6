"""Converts rows of the registry to response documents."""

from collections.abc import Sequence
from typing import Any

from service.api.errors import problem_of_job
from service.schemas.answer import Recommendation, RecommendationSummary
from service.schemas.architectures import Architecture
from service.schemas.datasets import Dataset, DatasetSummary
from service.schemas.jobs import Job, Progress
from service.schemas.problems import Problem
from service.schemas.tasks import Digests, SplitSizes, Task, TaskGenotype, TaskNetwork, TaskSummary
from service.schemas.webhooks import Webhook
from service.schemas.workers import Gpu, RunningJob, Worker
from worker.registry import (
    SCHEME,
    ArchitectureRow,
    DatasetRow,
    GenotypeRow,
    JobRow,
    NetworkRow,
    RecommendationLine,
    RecommendationRow,
    SeenWorker,
    TaskRow,
)


def job_document(job: JobRow) -> Job:
    """A job without the fields that only workers need (lease, checkpoint)."""
    return Job(
        id=job.id,
        kind=job.kind,
        state=job.state.value,
        stage=job.stage,
        progress=_progress(job),
        priority=job.priority,
        attempt=job.attempt,
        failures=job.failures,
        max_attempts=job.max_attempts,
        cancel_requested=job.cancel_requested_at is not None,
        params=job.params,
        result=job.result,
        error=_failure(job),
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
    )


def job_summary(job: JobRow) -> Job:
    """A job in a listing, without the long lists in `params`."""
    document = job_document(job)
    short = {key: value for key, value in document.params.items() if not isinstance(value, list) or len(value) <= 20}
    return document.model_copy(update={"params": short})


def task_summary(task: TaskRow, state: str) -> TaskSummary:
    """A task in a listing; `state` is that of its job."""
    return TaskSummary(**_task_fields(task), state=state)


def task_document(task: TaskRow, job: JobRow, networks: Sequence[NetworkRow], genotypes: Sequence[GenotypeRow]) -> Task:
    """A task with its progress; `networks` by repetition, `genotypes` with the best first."""
    return Task(
        **_task_fields(task),
        state=job.state.value,
        stage=job.stage,
        progress=_progress(job),
        error=_failure(job),
        finished_at=job.finished_at,
        networks=[_network(network, repetition, task.epsilon) for repetition, network in enumerate(networks)],
        genotypes=[TaskGenotype.model_validate(genotype) for genotype in genotypes],
    )


def recommendation_document(
    recommendation: RecommendationRow, job: JobRow, webhook: Webhook | None = None
) -> Recommendation:
    """The answer so far: the request, overlaid by the results of the stages, overlaid by the job's fields."""
    known = {part: value for part, value in recommendation.document.items() if value is not None}
    asked = {name: recommendation.request.get(name) for name in ("dataset", "labels", "image_size")}
    target = {"task_id": recommendation.task_id, **asked, **known.get("target", {})}
    return Recommendation.model_validate(
        known
        | {
            "id": recommendation.id,
            "name": recommendation.name,
            "job_id": recommendation.job_id,
            "state": job.state.value,
            "stage": job.stage,
            "progress": _progress(job),
            "created_at": recommendation.created_at,
            "finished_at": job.finished_at,
            "error": _failure(job),
            "target": target,
            "webhook": webhook,
        }
    )


def recommendation_summary(recommendation: RecommendationRow, job: JobRow) -> RecommendationSummary:
    """A recommendation in a listing."""
    return RecommendationSummary(
        id=recommendation.id,
        name=recommendation.name,
        job_id=recommendation.job_id,
        task_id=recommendation.task_id,
        state=job.state.value,
        stage=job.stage,
        verdict=recommendation.document.get("verdict"),
        created_at=recommendation.created_at,
        finished_at=job.finished_at,
    )


def summary_of_line(line: RecommendationLine) -> RecommendationSummary:
    """The same from a row that was read without the answer."""
    return RecommendationSummary(
        id=line.id,
        name=line.name,
        job_id=line.job_id,
        task_id=line.task_id,
        state=line.state.value,
        stage=line.stage,
        verdict=line.verdict,
        created_at=line.created_at,
        finished_at=line.finished_at,
    )


def architecture_document(architecture: ArchitectureRow) -> Architecture:
    """A finished network, with the paths of its files in place of their digests."""
    path = f"/v1/architectures/{architecture.id}"
    return Architecture(
        id=architecture.id,
        name=architecture.name,
        recommendation_id=architecture.recommendation_id,
        job_id=architecture.job_id,
        genotype=architecture.genotype,
        skeleton=architecture.skeleton,
        class_names=architecture.class_names,
        preprocessing=architecture.preprocessing,
        parameters=architecture.parameters,
        macs=architecture.macs,
        validation=architecture.validation,
        test=architecture.test,
        code=f"{path}/code",
        weights=f"{path}/weights",
        program=f"{path}/program",
        onnx=f"{path}/onnx",
        graph=f"{path}/graph",
        card=f"{path}/card",
        created_at=architecture.created_at,
    )


def dataset_summary(dataset: DatasetRow) -> DatasetSummary:
    """A dataset in a listing."""
    return DatasetSummary(**_dataset_fields(dataset))


def dataset_document(dataset: DatasetRow) -> Dataset:
    """A dataset with its classes."""
    return Dataset(**_dataset_fields(dataset), classes=dataset.classes)


def worker_document(seen: SeenWorker) -> Worker:
    """A worker with the jobs that it holds."""
    row = seen.row
    return Worker(
        id=row.id,
        name=row.name,
        host=row.host,
        devices=row.devices,
        slots=len(row.devices),
        version=row.version,
        alive=seen.alive,
        heartbeat_seconds=row.heartbeat_seconds,
        started_at=row.started_at,
        seen_at=row.seen_at,
        gpus=[Gpu(**gpu) for gpu in row.gpus],
        jobs=[_held(row.name, job) for job in seen.jobs],
    )


def _dataset_fields(dataset: DatasetRow) -> dict[str, Any]:
    counts = {
        split: None if dataset.classes is None else sum(count[split] for count in dataset.classes)
        for split in ("train", "validation", "test")
    }
    return {
        "id": dataset.id,
        "name": dataset.name,
        "uri": f"{SCHEME}{dataset.name}",
        "kind": dataset.kind,
        "bytes": dataset.bytes,
        "sha256": dataset.sha256,
        "digest": dataset.digest,
        "columns": dataset.reference,
        "images": None if dataset.classes is None else sum(counts.values()),
        "counts": SplitSizes(**counts),
        "left_out": dataset.left_out,
        "tensors": dataset.tensors,
        "parameters": dataset.parameters,
        "samples": None if dataset.samples is None else f"/v1/datasets/{dataset.name}/samples",
        "created_at": dataset.created_at,
    }


def _task_fields(task: TaskRow) -> dict[str, Any]:
    return {
        "id": task.id,
        "name": task.name,
        "role": task.role,
        "job_id": task.job_id,
        "dataset": task.dataset,
        "labels": task.labels,
        "network": task.architecture,
        "weights": None if task.weights is None else f"{SCHEME}{task.weights}",
        "epsilon": task.epsilon,
        "repetitions": task.repetitions,
        "seed": task.seed,
        "image_size": task.image_size,
        "class_names": task.class_names,
        "counts": SplitSizes(**(task.counts or {})),
        "digests": Digests(
            dataset=task.dataset_digest, mapping=task.mapping_digest, preprocessing=task.preprocessing_digest
        ),
        "samples": None if task.samples is None else f"/v1/tasks/{task.id}/samples",
        "created_at": task.created_at,
    }


def _network(network: NetworkRow, repetition: int, epsilon: float) -> TaskNetwork:
    return TaskNetwork(
        repetition=repetition,
        key=network.key,
        architecture=network.architecture,
        parameters=network.parameters,
        validation_accuracy=network.validation_accuracy,
        validation_balanced_accuracy=network.validation_balanced_accuracy,
        approximation=network.validation_balanced_accuracy >= 1 - epsilon,
    )


def _progress(job: JobRow) -> Progress:
    return Progress(**(job.progress or {}))


def _failure(job: JobRow) -> Problem | None:
    return None if job.error is None else problem_of_job(job.error)


def _held(worker: str, job: JobRow) -> RunningJob:
    device = (job.lease_owner or "").removeprefix(f"{worker}:")
    return RunningJob(id=job.id, kind=job.kind, stage=job.stage, device=device, started_at=job.started_at)
