"""`/distances`: the matrix as a heat map, and the details of each cell."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, get_args
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import RedirectResponse

from service.api.dependencies import Resources, ResourcesDependency
from service.api.http.conditional import conditional_body, conditional_figure, tag_of
from service.api.matrix.figure import MAX_TASKS
from service.api.matrix.table import distance_detail
from service.api.patterns import CLUSTER_PATTERN
from service.api.polling.rendered import Rendered
from service.api.routes.distances import TaskFilter, TaskPath
from service.dashboard.rendering import page
from service.figures.figure import FIGURE_MEDIA_TYPES, FigureFormat, rendered_figure
from service.figures.heat_map import Order, Shown
from service.figures.pair import layers_figure, repetitions_figure
from worker.registry import JobKind, JobState, Registry, reading
from worker.specification import Measure

router = APIRouter()

MEASURES = get_args(Measure)
Inside = Annotated[str | None, Query(pattern=CLUSTER_PATTERN, description="the opened cluster")]


@router.get("/distances")
def distances(
    request: Request,
    resources: ResourcesDependency,
    measure: Measure = "log_det_layerwise",
    shown: Shown = "mean",
    order: Order = "clustered",
    inside: Inside = None,
    source: TaskFilter = None,
    target: TaskFilter = None,
) -> Response:
    """Shows the choices for the heat map, which loads separately. Redirects a source and a target to their pair."""
    if source is not None and target is not None:
        return RedirectResponse(f"/distances/{quote(source)}/{quote(target)}?measure={measure}", status_code=303)
    with reading(resources.engine) as registry:
        names = sorted(registry.tasks.baseline_names().values())
    return page(
        request,
        "distances.html",
        measure=measure,
        measures=MEASURES,
        shown=shown,
        order=order,
        inside=inside,
        names=names,
        most=MAX_TASKS,
    )


@router.get("/figures/distances.{format}")
def matrix(
    request: Request,
    resources: ResourcesDependency,
    format: FigureFormat,
    measure: Measure = "log_det_layerwise",
    shown: Shown = "mean",
    order: Order = "clustered",
    inside: Inside = None,
) -> Response:
    """Draws the heat map, once for each revision of the matrix."""
    asked = ("figure", measure, shown, order, inside, format)
    with resources.rendered.one_at_a_time(asked):
        rendered = _matrix(resources, asked, measure, shown, order, inside, format)
    return conditional_body(request, rendered.body or b"", rendered.tag, FIGURE_MEDIA_TYPES[format])


@router.get("/distances/{source}/{target}")
def pair(
    request: Request,
    resources: ResourcesDependency,
    source: TaskPath,
    target: TaskPath,
    measure: Measure = "log_det_layerwise",
) -> Response:
    """Shows one distance: repetitions, layers, and the probability that this source is the closest."""
    with reading(resources.engine) as registry:
        detail = distance_detail(registry, source, target, measure)
        column = measured_column(registry, detail.target.id, measure)
    certainty = next((entry for entry in column if entry["task_id"] == detail.source.id), None)
    return page(request, "pair.html", detail=detail, certainty=certainty, column=column, measures=MEASURES)


@router.get("/figures/distances/{source}/{target}/{part}.{format}")
def pair_figure(
    request: Request,
    resources: ResourcesDependency,
    source: TaskPath,
    target: TaskPath,
    part: Literal["repetitions", "layers"],
    format: FigureFormat,
    measure: Measure = "log_det_layerwise",
) -> Response:
    """Draws the repetitions of one distance, or its layers."""
    with reading(resources.engine) as registry:
        detail = distance_detail(registry, source, target, measure)
    figure = layers_figure(detail) if part == "layers" else repetitions_figure(detail)
    return conditional_figure(request, figure, format)


def _matrix(
    resources: Resources,
    asked: tuple[object, ...],
    measure: Measure,
    shown: Shown,
    order: Order,
    inside: str | None,
    format: FigureFormat,
) -> Rendered:
    # Imported only for a heat map, so that a process that serves pages starts without numpy.
    from service.dashboard.matrix_views import matrix_view, view_figure

    with reading(resources.engine) as registry:
        revision = registry.results.matrix_revision()
        cached = resources.rendered.get(asked, revision)
        if cached is not None and cached.body is not None:
            return cached
        tables = resources.tables.get(registry, measure)
    view = matrix_view(tables, [] if inside is None else [int(step) for step in inside.split(".")])
    address = f"/distances?measure={measure}&shown={shown}&order={order}"
    body = rendered_figure(view_figure(view, measure=measure, shown=shown, order=order, address=address), format)
    rendered = Rendered(body, tag_of(body))
    resources.rendered.keep(asked, revision, rendered)
    return rendered


_JOBS_SEARCHED = 100


def measured_column(registry: Registry, target_task_id: str, measure: Measure) -> Sequence[Mapping[str, Any]]:
    """Returns the latest complete column to this target: an entry `distances[…]` of an answer for each source.

    The column comes from the latest jobs that measured columns, or else from the recommendation for this target. It is
    empty if neither has one.
    """
    for job in registry.jobs.list(kind=JobKind.DISTANCES, state=JobState.SUCCEEDED, limit=_JOBS_SEARCHED):
        columns = (job.result or {}).get("columns", {})
        if job.params["target_task_id"] == target_task_id and measure in columns:
            return columns[measure]["distances"] or []
    asked = registry.recommendations.of_task(target_task_id)
    entries = (asked.document.get("distances") if asked is not None else None) or []
    return [entry for entry in entries if entry["measure"] == measure]
