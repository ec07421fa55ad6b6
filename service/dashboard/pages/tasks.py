"""`/tasks`: all tasks as a list and as a map; `/tasks/{id}`: one task and its nearest tasks."""

from dataclasses import dataclass
from typing import Annotated, Literal, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from markupsafe import Markup

from service.api.dependencies import After, ResourceId, ResourcesDependency
from service.api.matrix.table import RECIPES
from service.api.serializers import task_document, task_summary
from service.dashboard.rendering import page
from service.figures.cell_drawing import cell_drawing
from service.schemas.distances import Measure
from service.schemas.jobs import State
from service.schemas.tasks import Task, TaskSummary
from worker.registry import JobState, MatrixEntry, Registry, TaskFigure, reading

router = APIRouter()

LISTED = 50
NEAREST = 12
SHOWN_CELLS = 12
SHOWN_CLASSES = 30

MapMeasure = Literal["log_det_layerwise", "log_det", "frechet", "task2vec"]
"""Measures that are never negative, as lengths must be."""

RoleFilter = Literal["", "baseline", "target"]
NameFilter = Annotated[str, Query(max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$")]


@dataclass(frozen=True)
class ListedTask:
    """A line of the list."""

    task: TaskSummary
    figure: TaskFigure

    @property
    def mean(self) -> float | None:
        """Balanced validation accuracy, mean over its networks."""
        scores = self.figure.balanced_accuracies
        return sum(scores) / len(scores) if scores else None

    @property
    def reaching(self) -> int:
        """The number of its networks that reach 1-ε."""
        return sum(score >= 1 - self.task.epsilon for score in self.figure.balanced_accuracies)


@dataclass(frozen=True)
class Near:
    """A task with measured distances to or from another one."""

    id: str
    name: str
    from_it: MatrixEntry | None
    to_it: MatrixEntry | None


@router.get("/tasks")
def tasks(
    request: Request,
    resources: ResourcesDependency,
    role: RoleFilter = "",
    state: State | Literal[""] = "",
    name: NameFilter = "",
    after: After = None,
    measure: MapMeasure = "log_det_layerwise",
) -> Response:
    """Lists the matching tasks, newest first, and shows the map of the newest."""
    with reading(resources.engine) as registry:
        rows = registry.tasks.list(
            role=role or None,
            state=JobState(state) if state else None,
            part_of_name=name.strip() or None,
            limit=LISTED + 1,
            after=after,
        )
        figures = registry.task_figures.of([row.task.id for row in rows])
        baselines = registry.task_figures.baselines()
    shown = [ListedTask(task_summary(row.task, row.state.value), figures[row.task.id]) for row in rows[:LISTED]]
    asked = {"role": role, "state": state, "name": name}
    following = asked | {"after": shown[-1].task.id} if len(rows) > LISTED else None
    return page(
        request,
        "tasks.html",
        tasks=shown,
        asked=asked,
        after=after,
        following=None if following is None else urlencode({key: value for key, value in following.items() if value}),
        baselines=sum(baselines.values()),
        ready=baselines.get(JobState.SUCCEEDED, 0),
        measure=measure,
        measures=get_args(MapMeasure),
        busy=any(row.state in (JobState.QUEUED, JobState.RUNNING) for row in rows),
    )


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
    classes = document.class_names or []
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
    return task_document(row, job, registry.tasks.networks(task_id), registry.tasks.genotypes(task_id))


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
