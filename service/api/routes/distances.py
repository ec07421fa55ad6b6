"""`/v1/distances`: the matrix of distances between tasks, one pair in detail, and measuring distances."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pydantic_core
from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from service.api.dependencies import CallerDependency, IdempotencyKey, Resources, ResourcesDependency
from service.api.http.accepted import ACCEPTED, point_to
from service.api.http.conditional import POLLED, conditional, conditional_body, matches, tag_of
from service.api.http.negotiation import negotiated
from service.api.matrix.csv_lines import HEADER, begin_whole_matrix, csv_lines, whole_matrix_lines, whole_matrix_tag
from service.api.matrix.figure import matrix_svg
from service.api.matrix.table import distance_detail, distance_matrix
from service.api.polling.rendered import Rendered
from service.api.problems import described
from service.api.submissions.distances import accept_distances
from service.schemas.base import TASK_NAME
from service.schemas.distances import DistanceDetail, DistanceJob, DistanceJobs, DistanceMatrix, DistanceRequest
from worker.registry import MATRIX_REVISION, MatrixEntry, reading, revision_of
from worker.specification import NAME_PATTERN, Measure, Name

JSON = "application/json"
CSV = "text/csv"
SVG = "image/svg+xml"
FORMATS = {"json": JSON, "csv": CSV, "svg": SVG}

router = APIRouter(prefix="/v1/distances", tags=["distances"], responses=described(422, 503))


@dataclass(frozen=True)
class Asked:
    """The requested matrix and its media type."""

    measure: Measure
    source: str | None
    target: str | None
    media_type: str


TaskFilter = Annotated[
    Name | None,
    Query(description=f"{TASK_NAME}; absent: every task"),
]
TaskPath = Annotated[
    str,
    Path(
        min_length=1,
        max_length=64,
        pattern=NAME_PATTERN,
        description=TASK_NAME,
    ),
]


@router.get(
    "",
    summary="The matrix of distances",
    response_model=DistanceMatrix,
    responses={
        **POLLED,
        200: POLLED[200] | {"content": {media: {"schema": {"type": "string"}} for media in (CSV, SVG)}},
        **described(404, 406),
    },
)
async def get_distances(
    request: Request,
    resources: ResourcesDependency,
    measure: Measure = "log_det_layerwise",
    source: TaskFilter = None,
    target: TaskFilter = None,
    format: Annotated[Literal["json", "csv", "svg"] | None, Query(description="takes precedence over `Accept`")] = None,
    accept: Annotated[str | None, Header()] = None,
) -> Response:
    """Rows are sources, columns are targets; pairs that were not measured are `null`. As CSV: one line for each pair.
    As SVG: a heat map of up to 200 tasks.

    With `source` the matrix has one row, with `target` one column; the other axis has the tasks with a distance to or
    from that task. Without both, every task has a row and a column: the baselines, and the targets with a measured
    distance. More than 100,000 cells are refused as JSON and as SVG (422, `matrix_too_large`): filter by `source` or
    `target`, or request CSV. CSV has no limit on size: it is streamed while it is read, target by target, and each
    target's lines are current when they are read. Its `ETag` identifies the revision at the start; a request with that
    tag gets 304 if nothing has changed since.
    """
    media_type = FORMATS[format] if format else negotiated(accept, tuple(FORMATS.values()))
    if media_type == CSV and source is None and target is None:
        return await _whole_csv(request, resources, measure)
    asked = Asked(measure, source, target, media_type)
    # The matrix is large, often polled and seldom changed: an unchanged one is sent at once, without a thread.
    known_tags = request.headers.get("if-none-match")
    rendered = _kept(resources, asked, revision_of(await resources.reader.ask(MATRIX_REVISION)), known_tags)
    if rendered is None:
        rendered = await run_in_threadpool(_matrix, resources, asked, known_tags)
    return conditional_body(request, rendered.body or b"", rendered.tag, media_type, headers={"Vary": "Accept"})


@router.get(
    "/{source}/{target}",
    summary="One distance in detail",
    response_model=DistanceDetail,
    responses=POLLED | described(404),
)
def get_distance(
    source: TaskPath,
    target: TaskPath,
    request: Request,
    resources: ResourcesDependency,
    measure: Measure = "log_det_layerwise",
) -> Response:
    """From the source to the target: each repetition, the sampling error, and the contribution of each layer."""
    with reading(resources.engine) as registry:
        document = distance_detail(registry, source, target, measure)
    return conditional(request, document)


@router.post("", status_code=202, summary="Measure distances", responses=ACCEPTED | described(400, 409, 413, 415))
def measure_distances(
    body: DistanceRequest,
    response: Response,
    resources: ResourcesDependency,
    caller: CallerDependency,
    key: IdempotencyKey = None,
) -> DistanceJobs:
    """Queues one job for each target; its `result` is the column with its verdict. The matrix includes the column.

    `Location` is the first job; its `params.jobs` lists all of them, with the names of the targets at that time.
    """
    jobs = accept_distances(resources, body, key, owner=caller.owner)
    point_to(response, f"/v1/jobs/{jobs[0]['job_id']}")
    with reading(resources.engine) as registry:
        states = registry.jobs.states([job["job_id"] for job in jobs])
    return DistanceJobs(jobs=[DistanceJob(**job, state=states[job["job_id"]].value) for job in jobs])


def _kept(resources: Resources, asked: Asked, revision: str | None, known_tags: str | None) -> Rendered | None:
    """The cached answer; an entry without a body is used only if the client has the body."""
    kept = resources.rendered.get(asked, revision)
    return kept if kept is not None and (kept.body is not None or matches(known_tags, kept.tag)) else None


def _matrix(resources: Resources, asked: Asked, known_tags: str | None) -> Rendered:
    """The matrix as bytes: the cached ones, if the revision of the registry has not changed."""
    with resources.rendered.one_at_a_time(asked):
        with reading(resources.engine) as registry:
            revision = registry.results.matrix_revision()
            known = _kept(resources, asked, revision, known_tags)
            if known is not None:
                return known
            matrix = distance_matrix(registry, asked.measure, source=asked.source, target=asked.target)
        body = _body(matrix, asked.media_type)
        rendered = Rendered(body, tag_of(body))
        resources.rendered.keep(asked, revision, rendered)
    return rendered


def _body(matrix: Mapping[str, Any], media_type: str) -> bytes:
    if media_type == CSV:
        return _csv(matrix).encode()
    if media_type == SVG:
        return matrix_svg(matrix)
    return pydantic_core.to_json(matrix, inf_nan_mode="null")


def _csv(matrix: Mapping[str, Any]) -> str:
    entries = (
        MatrixEntry(source, target, *(matrix[table][row][column] for table in ("mean", "std", "repetitions")))
        for row, source in enumerate(matrix["sources"])
        for column, target in enumerate(matrix["targets"])
        if matrix["mean"][row][column] is not None
    )
    return HEADER + csv_lines(entries, {task["id"]: task["name"] for task in matrix["tasks"]})


async def _whole_csv(request: Request, resources: Resources, measure: Measure) -> Response:
    """Streams the whole matrix, or answers 304 if `If-None-Match` names the current revision."""
    known_tags = request.headers.get("if-none-match")
    tag, matrix = whole_matrix_tag(revision_of(await resources.reader.ask(MATRIX_REVISION))), None
    if tag is None or not matches(known_tags, tag):
        matrix = await run_in_threadpool(begin_whole_matrix, resources.engine, measure)
        tag = matrix.tag
    headers = {"Cache-Control": "no-cache", "Vary": "Accept"} | ({} if tag is None else {"ETag": tag})
    if matrix is None or (tag is not None and matches(known_tags, tag)):
        return Response(status_code=304, headers=headers)
    return StreamingResponse(whole_matrix_lines(resources.engine, matrix), media_type=CSV, headers=headers)
