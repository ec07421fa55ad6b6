"""`/v1/workers`: the worker processes."""

from fastapi import APIRouter

from service.api.dependencies import ResourcesDependency
from service.api.problems import described
from service.api.serializers import worker_document
from service.schemas.base import Page
from service.schemas.workers import Worker
from worker.registry import reading

router = APIRouter(prefix="/v1/workers", tags=["jobs"], responses=described(503))


@router.get("", summary="List workers")
def list_workers(resources: ResourcesDependency) -> Page[Worker]:
    """Newest first, all on one page, with the jobs that each worker runs.

    A worker that shut down is not listed; a lost one is listed for a day, with `alive` false.
    """
    with reading(resources.engine) as registry:
        return Page(items=[worker_document(seen) for seen in registry.workers.list()], next=None)
