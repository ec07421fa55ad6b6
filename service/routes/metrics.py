"""`/metrics`: what this process and the whole installation do, for Prometheus."""

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse
from starlette.responses import Response

from service.dependencies import ResourcesDependency

router = APIRouter(tags=["health"])


@router.get("/metrics", summary="Numbers for Prometheus", response_class=PlainTextResponse)
def metrics(request: Request, resources: ResourcesDependency) -> Response:
    """Requests of this process; jobs, attempts and stages of all, from SQL and at most 5 s old.

    While the database cannot be reached nobody can be known, and all that anybody is told is just that. OpenMetrics
    with `Accept: application/openmetrics-text`. docs/operations.md says what each number means.
    """
    body, media_type = resources.metrics.exposition(
        request.headers.get("accept", ""), complete=getattr(request.state, "caller", None) is not None
    )
    return Response(body, media_type=media_type)
