"""`/figures/tasks/…`: the map of the tasks, and the figures of one task."""

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from service.api.dependencies import ResourceId, Resources, ResourcesDependency
from service.api.http.conditional import conditional_body, conditional_figure, tag_of
from service.api.matrix.table import RECIPES
from service.api.polling.rendered import Rendered
from service.dashboard.pages.task import near_tasks, whole_task
from service.dashboard.pages.tasks import MapMeasure
from service.figures.figure import (
    FIGURE_MEDIA_TYPES,
    Figure,
    FigureFormat,
    rendered_figure,
)
from service.figures.task_accuracy import task_accuracy
from service.figures.task_neighbours import Neighbour, task_neighbours
from worker.registry import JobState, reading
from worker.specification import Measure

router = APIRouter(prefix="/figures/tasks")

ON_THE_MAP = 200


@router.get("/map.{format}")
def map_figure(
    request: Request, resources: ResourcesDependency, format: FigureFormat, measure: MapMeasure = "log_det_layerwise"
) -> Response:
    """Draws the newest ready tasks as points, once for each revision of the matrix."""
    asked = ("map", measure, format)
    with resources.rendered.one_at_a_time(asked):
        rendered = _map(resources, asked, measure, format)
    return conditional_body(request, rendered.body or b"", rendered.tag, FIGURE_MEDIA_TYPES[format])


@router.get("/{task_id}/accuracy.{format}")
def accuracy_figure(
    task_id: ResourceId, request: Request, resources: ResourcesDependency, format: FigureFormat
) -> Response:
    """Draws the accuracy of its networks against 1-ε."""
    with reading(resources.engine) as registry:
        task = whole_task(registry, task_id)
    return _answer(request, task_accuracy(task.networks, task.epsilon), format, "the task has no trained network yet")


@router.get("/{task_id}/neighbours.{format}")
def neighbours_figure(
    task_id: ResourceId,
    request: Request,
    resources: ResourcesDependency,
    format: FigureFormat,
    measure: Measure = "log_det_layerwise",
) -> Response:
    """Draws the distances to it, nearest first."""
    with reading(resources.engine) as registry:
        name = registry.tasks.get(task_id).name
        near = near_tasks(registry, task_id, measure)
    neighbours = [
        Neighbour(item.id, item.name, item.from_it.mean, item.from_it.std, item.from_it.repetitions)
        for item in near
        if item.from_it is not None
    ]
    return _answer(request, task_neighbours(name, measure, neighbours), format, "no distance to it is measured")


def _map(resources: Resources, asked: tuple[str, ...], measure: MapMeasure, format: FigureFormat) -> Rendered:
    # Imported only for the map, so that a process that serves pages starts without numpy.
    from service.figures.task_map import MapTask, task_map

    with reading(resources.engine) as registry:
        revision = registry.results.matrix_revision()
        cached = resources.rendered.get(asked, revision)
        if cached is not None and cached.body is not None:
            return cached
        rows = registry.tasks.list(state=JobState.SUCCEEDED, limit=ON_THE_MAP + 1)
        newest = [MapTask(row.task.id, row.task.name, row.task.role) for row in rows[:ON_THE_MAP]]
        entries = registry.results.matrix_among(measure, RECIPES, [task.id for task in newest])
    figure = task_map(measure, newest, entries, more=len(rows) > ON_THE_MAP)
    if figure is None:
        raise HTTPException(404, "this measure has no distance between two tasks yet")
    body = rendered_figure(figure, format)
    rendered = Rendered(body, tag_of(body))
    resources.rendered.keep(asked, revision, rendered)
    return rendered


def _answer(request: Request, figure: Figure | None, format: FigureFormat, otherwise: str) -> Response:
    if figure is None:
        raise HTTPException(404, otherwise)
    return conditional_figure(request, figure, format)
