"""`/v1/workers`: the processes that compute."""

from fastapi import APIRouter

from service.dependencies import ResourcesDependency
from service.http.problems import described
from service.schemas.base import Page
from service.schemas.workers import Gpu, RunningJob, Worker
from worker.registry.models import Job
from worker.registry.session import reading
from worker.registry.workers import SeenWorker

router = APIRouter(prefix="/v1/workers", tags=["jobs"], responses=described(503))


@router.get("", summary="List workers")
def list_workers(resources: ResourcesDependency) -> Page[Worker]:
    """Newest first, all on one page, with the jobs that each holds.

    One that ended in order is not listed; one that was lost is for a day, with `alive` false.
    """
    with reading(resources.engine) as registry:
        return Page(items=[_document(seen) for seen in registry.workers.list()], next=None)


def _document(seen: SeenWorker) -> Worker:
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
        jobs=[_running(row.name, job) for job in seen.jobs],
    )


def _running(worker: str, job: Job) -> RunningJob:
    device = (job.lease_owner or "").removeprefix(f"{worker}:")
    return RunningJob(id=job.id, kind=job.kind, stage=job.stage, device=device, started_at=job.started_at)
