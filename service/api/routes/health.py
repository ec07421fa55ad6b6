"""Liveness and readiness of the process."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from service.api.dependencies import ResourcesDependency
from service.api.errors import NotReadyError
from service.api.problems import described
from worker.registry import reading
from worker.registry.schema import is_current

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The process is alive."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """The service is ready. The broker and object storage are not checked: while they are down, jobs are delayed, and
    requests succeed that need no file."""

    status: Literal["ready"] = "ready"


@router.get("/healthz", summary="Liveness")
async def healthz() -> Health:
    """200 while the process is alive. It checks no other component, so that a slow database restarts no process."""
    return Health()


@router.get("/readyz", summary="Readiness", responses=described(503))
def readyz(resources: ResourcesDependency) -> Readiness:
    """503 while the database does not answer or does not have the schema of this version, or no worker ever reported.

    Without a worker, requests are accepted all the same, and their jobs wait.
    """
    if not is_current(resources.engine):
        raise NotReadyError("the database does not have the schema of this version; run `ldnas migrate`")
    with reading(resources.engine) as registry:
        if not registry.workers.have_reported():
            raise NotReadyError("no worker has reported yet; start one with `ldnas worker`, or read its log")
    return Readiness()
