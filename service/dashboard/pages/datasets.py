"""`/datasets`: the uploaded datasets, their content, and the tasks that use them."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.api.dependencies import After, ResourcesDependency
from service.api.dependencies import page as listing
from service.api.serializers import dataset_document, dataset_summary
from service.dashboard.rendering import page, upload_context
from worker.registry import reading

router = APIRouter()

AT_ONCE = 50
CLASSES_SHOWN = 500
USERS_SHOWN = 20


@router.get("/datasets")
def datasets(
    request: Request,
    resources: ResourcesDependency,
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=200)] = AT_ONCE,
) -> Response:
    """Lists the datasets, newest first, a page at a time, with the number of tasks that use each; offers an upload."""
    with reading(resources.engine) as registry:
        rows = registry.datasets.list(limit=limit + 1, after=after)
        uses = registry.datasets.uses([row.name for row in rows])
    shown = listing([dataset_summary(row) for row in rows], limit)
    upload = upload_context(request, resources)
    return page(
        request, "datasets.html", datasets=shown.items, next=shown.next, first=after is None, uses=uses, **upload
    )


@router.get("/datasets/{name}")
def dataset(name: str, request: Request, resources: ResourcesDependency) -> Response:
    """Shows the content of the file: its classes, the images of each class in every split, and some sample images."""
    with reading(resources.engine) as registry:
        row = registry.datasets.get(name)
        users = [(task.id, task.name) for task in registry.datasets.users(name, USERS_SHOWN)]
        uses = registry.datasets.uses([name])[name]
    return page(
        request,
        "dataset.html",
        dataset=dataset_document(row),
        classes_shown=CLASSES_SHOWN,
        users=users,
        uses=uses,
        **upload_context(request, resources),
    )
