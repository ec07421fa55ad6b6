"""`/recommendations/new`: a form for a request, which also shows the request as a command and as Python."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from ldnas.data.reference import BUILTIN_NAMES, TORCHVISION_NAMES
from service.api.dependencies import Resources, ResourcesDependency
from service.dashboard.rendering import page, upload_context
from service.dashboard.request_fields import KINDS, request_fields
from worker.registry import TaskRow, reading
from worker.specification import PlainText

router = APIRouter()

DATASETS_OFFERED = 200
DIGITS = "builtin://digits"
_KNOWN = (*(f"builtin://{name}" for name in BUILTIN_NAMES), *(f"torchvision://{name}" for name in TORCHVISION_NAMES))


@router.get("/recommendations/new")
def new(request: Request, resources: ResourcesDependency, dataset: str | None = None) -> Response:
    """Shows the form. `?dataset=NAME` selects an uploaded dataset. A script sends the request to the API."""
    uploaded, chosen = _uploaded(resources, dataset)
    with reading(resources.engine) as registry:
        baselines = len(registry.tasks.baseline_names())
    return page(
        request,
        "new.html",
        fields=request_fields(),
        kinds=KINDS,
        race_minutes=resources.settings.default_seconds / 60,
        uploaded=uploaded,
        chosen=chosen,
        known=_KNOWN,
        baselines=baselines,
        roots=[root.as_posix() for root in resources.settings.dataset_roots],
        hosts=resources.settings.remote_hosts,
        base_url=str(request.base_url).rstrip("/"),
        **upload_context(request, resources),
    )


@router.get("/recommendations/new/classes")
def classes(
    resources: ResourcesDependency,
    uri: Annotated[PlainText, Query()],
    label_column: Annotated[PlainText | None, Query()] = None,
) -> dict[str, list[str] | str | None]:
    """Returns the classes of a dataset that was not uploaded, if a task has read it; otherwise `names` is null."""
    with reading(resources.engine) as registry:
        task = registry.tasks.find_unmapped(uri, label_column)
        known = {} if task is None else {"names": task.class_names, "told_by": task.name, "sheet": _sheet(task)}
    if uri == DIGITS:
        known |= {"names": [str(digit) for digit in range(10)], "told_by": None}
    return {"names": None, "told_by": None, "sheet": None} | known


def _sheet(task: TaskRow) -> str | None:
    """The address of the picture with sample training images, one row for each class."""
    return None if task.samples is None else f"/v1/tasks/{task.id}/samples"


def _uploaded(resources: Resources, chosen: str | None) -> tuple[list[str], str | None]:
    """Returns the names of the newest image datasets, and the chosen one if it exists."""
    with reading(resources.engine) as registry:
        names = [row.name for row in registry.datasets.list(limit=DATASETS_OFFERED) if row.digest is not None]
        wanted = registry.datasets.find(chosen) if chosen else None
    if wanted is None or wanted.digest is None:
        return names, None
    return (names if wanted.name in names else [wanted.name, *names]), wanted.name
