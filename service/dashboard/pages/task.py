"""`/tasks/{id}`: one task and its nearest tasks."""

from dataclasses import dataclass
from typing import get_args

from fastapi import APIRouter, Request, Response
from markupsafe import Markup

from service.api.dependencies import ResourceId, ResourcesDependency
from service.api.matrix.table import RECIPES
from service.api.serializers import task_document
from service.dashboard.rendering import page
from service.figures.cell_drawing import cell_drawing
from service.schemas.tasks import Task
from worker.registry import MatrixEntry, Registry, reading
from worker.specification import Measure

router = APIRouter()
NEAREST = 12
SHOWN_CELLS = 12
SHOWN_CLASSES = 30


@dataclass(frozen=True)
class Near:
    """A task with measured distances to or from another one."""

    id: str
    name: str
    from_it: MatrixEntry | None
    to_it: MatrixEntry | None


@router.get("/tasks/{task_id}")
def task(
    task_id: ResourceId, request: Request, resources: ResourcesDependency, measure: Measure = "log_det_layerwise"
) -> Response:
    """Shows a task: its data, the accuracy of its networks, its nearest tasks, and its best cells."""
    with reading(resources.engine) as registry:
        document = whole_task(registry, task_id)
        near = near_tasks(registry, task_id, measure)
        recommendation = registry.recommendations.of_task(task_id)
    cells = [(genotype, Markup(cell_drawing(genotype.genotype))) for genotype in document.genotypes[:SHOWN_CELLS]]
    classes = document.class_names or ()
    return page(
        request,
        "task.html",
        task=document,
        near=near,
        measure=measure,
        measures=get_args(Measure),
        recommendation=recommendation,
        cells=cells,
        pictured=classes[:SHOWN_CLASSES],
    )


def whole_task(registry: Registry, task_id: str) -> Task:
    """Returns the task as the API shows it.

    Raises:
        NotFoundError: the task does not exist.
    """
    row = registry.tasks.get(task_id)
    job = registry.jobs.get(row.job_id)
    return task_document(registry, row, job)


def near_tasks(registry: Registry, task_id: str, measure: Measure) -> list[Near]:
    """Lists its nearest tasks: first by the distances to it, then by the distances from it."""
    sources = _by_nearness(registry.results.matrix(measure, RECIPES, target_task_id=task_id), task_id)
    targets = _by_nearness(registry.results.matrix(measure, RECIPES, source_task_id=task_id), task_id)
    nearest = [*dict.fromkeys([*sources, *targets])][:NEAREST]
    names = registry.tasks.names(nearest)
    return [Near(id, names[id], sources.get(id), targets.get(id)) for id in nearest if id in names]


def _by_nearness(entries: list[MatrixEntry], task_id: str) -> dict[str, MatrixEntry]:
    """Maps the other task of each entry to the entry, nearest first."""
    others = (
        (entry.target_task_id if entry.source_task_id == task_id else entry.source_task_id, entry) for entry in entries
    )
    return {id: entry for id, entry in sorted(others, key=lambda pair: pair[1].mean) if id != task_id}
