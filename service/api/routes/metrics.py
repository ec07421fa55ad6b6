"""`/metrics`: the metrics of this process and of the whole installation, for Prometheus."""

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse
from starlette.responses import Response

from service.api.dependencies import ResourcesDependency

router = APIRouter(tags=["health"])


@router.get("/metrics", summary="Metrics for Prometheus", response_class=PlainTextResponse)
def metrics(request: Request, resources: ResourcesDependency) -> Response:
    """Requests of this process; jobs, attempts and stages of all processes, from SQL and at most 5 s old.

    While the database is unreachable, no key can be checked, and the only metric is that it is unreachable. Send
    `Accept: application/openmetrics-text` for OpenMetrics. docs/operations.md explains each metric.
    """
    body, media_type = resources.metrics.exposition(
        request.headers.get("accept", ""), complete=getattr(request.state, "caller", None) is not None
    )
    return Response(body, media_type=media_type)
