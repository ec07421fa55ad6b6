"""`/v1/distances`: the matrix of distances between tasks."""

import csv
import io
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Request, Response

from service.dependencies import ResourcesDependency
from service.http.conditional import conditional
from service.http.negotiation import negotiated
from service.http.problems import described
from service.matrix import distance_matrix
from service.schemas.base import Name
from service.schemas.distances import DistanceMatrix, Measure
from worker.registry.session import reading

JSON = "application/json"
CSV = "text/csv"

router = APIRouter(prefix="/v1/distances", tags=["distances"])

TaskFilter = Annotated[Name | None, Query(description="name or id; absent: every task")]


@router.get(
    "",
    summary="The matrix of distances",
    response_model=DistanceMatrix,
    responses={200: {"content": {CSV: {"schema": {"type": "string"}}}}, **described(404, 406, 422, 503)},
)
def get_distances(
    request: Request,
    resources: ResourcesDependency,
    measure: Measure = "log_det_layerwise",
    source: TaskFilter = None,
    target: TaskFilter = None,
    format: Annotated[Literal["json", "csv"] | None, Query(description="wins over `Accept`")] = None,
    accept: Annotated[str | None, Header()] = None,
) -> Response:
    """Rows are sources, columns targets; pairs that were not measured are `null`. As CSV: one line for each pair."""
    media_type = {"json": JSON, "csv": CSV}[format] if format else negotiated(accept, (JSON, CSV))
    with reading(resources.engine) as registry:
        matrix = distance_matrix(registry, measure, source=source, target=target)
    if media_type == CSV:
        return Response(_csv(matrix), media_type=CSV, headers={"Vary": "Accept"})
    return conditional(request, matrix, headers={"Vary": "Accept"})


def _csv(matrix: DistanceMatrix) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("source_id", "source", "target_id", "target", "mean", "std", "repetitions"))
    for row, source in enumerate(matrix.tasks):
        for column, target in enumerate(matrix.tasks):
            figures = (matrix.mean[row][column], matrix.std[row][column], matrix.repetitions[row][column])
            if figures[0] is not None:
                writer.writerow((source.id, source.name, target.id, target.name, *figures))
    return text.getvalue()
