"""`/tasks`: all tasks as a list and as a map."""

from dataclasses import dataclass
from typing import Annotated, Literal, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from service.api.dependencies import After, ResourcesDependency
from service.api.patterns import FILTER_PATTERN
from service.api.serializers import task_summary
from service.dashboard.rendering import page
from service.schemas.jobs import State
from service.schemas.tasks import TaskSummary
from worker.registry import JobState, TaskFigure, reading

router = APIRouter()
LISTED = 50

MapMeasure = Literal["log_det_layerwise", "log_det", "frechet", "task2vec"]
"""Measures that are never negative, as lengths must be."""

RoleFilter = Literal["", "baseline", "target"]
NameFilter = Annotated[str, Query(max_length=255, pattern=FILTER_PATTERN)]


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
        figures = registry.task_results.figures([row.task.id for row in rows])
        baselines = registry.task_results.baselines()
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
