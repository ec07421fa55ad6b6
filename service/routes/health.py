"""Whether the process lives, and whether it can serve."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from service.dependencies import ResourcesDependency
from service.errors import NotReadyError
from service.http.problems import described
from worker.registry.schema import is_current

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Requests can be served. A broker that is down delays jobs and refuses no request, so it is not asked."""

    status: Literal["ready"] = "ready"


@router.get("/healthz", summary="Does the process live?")
async def healthz() -> Health:
    """Answers as long as the process does; asks nothing else, so that a slow database restarts nobody."""
    return Health()


@router.get("/readyz", summary="Can requests be served?", responses=described(503))
def readyz(resources: ResourcesDependency) -> Readiness:
    """503 while the database does not answer or has another schema than this version needs."""
    if not is_current(resources.engine):
        raise NotReadyError("the database has another schema than this version needs; run `ldnas migrate`")
    return Readiness()
