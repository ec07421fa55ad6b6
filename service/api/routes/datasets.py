"""`/v1/datasets`: uploaded files with images or with the weights of a network."""

import asyncio
import errno
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Scope

from ldnas.data.reference import is_uploaded_name
from ldnas.data.value_range import ValueRange
from ldnas.errors import InvalidReferenceError
from service.api.dependencies import After, Limit, Resources, ResourcesDependency, page
from service.api.errors import InvalidNameError, MissingArtifactError, NoSamplesError, StorageFullError
from service.api.http.conditional import POLLED, conditional, conditional_body
from service.api.problems import described
from service.api.serializers import dataset_document, dataset_summary
from service.api.uploads.receive import JSON, accept_upload
from service.schemas.base import Page
from service.schemas.datasets import Dataset, DatasetSamples, DatasetSummary
from worker.registry import DatasetRow, reading, unit_of_work
from worker.specification import PlainText

PREFIX = "/v1/datasets"
# The network delivers small chunks; a thread writes this many bytes at once.
WRITE_BYTES = 2**20
MEDIA_TYPES = (
    *("application/octet-stream", "application/zip", "application/x-tar", "application/gzip"),
    *("application/vnd.apache.parquet", "application/vnd.safetensors"),
)

_BODY = {
    "requestBody": {
        "required": True,
        "description": "the bytes of the file; the service detects its format from them, not from the media type",
        "content": {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in MEDIA_TYPES},
    }
}
_PLACED: dict[int | str, dict[str, Any]] = {
    200: {"model": Dataset, "description": "The same file has this name already"},
    201: {
        "description": "The file was checked and stored",
        "headers": {"Location": {"description": "the dataset", "schema": {"type": "string"}}},
    },
}

NAME_IN_WORDS = "1 to 64 letters A to Z or a to z, digits and `. _ -`, beginning with a letter or digit"
DatasetName = Annotated[str, Path(description=NAME_IN_WORDS)]
Column = Annotated[PlainText | None, Query(description="name of this column in a Parquet file; absent: the usual name")]
StatedRange = Annotated[
    PlainText | None,
    Query(
        description="of images with more than 8 bits: the values that become black and white, as `0,4095`; absent: "
        "found over all images"
    ),
]

router = APIRouter(prefix=PREFIX, tags=["datasets"], responses=described(422, 503))


def is_upload(scope: Scope) -> bool:
    """Whether the body of the request is a file, which has its own size limit."""
    path: str = scope["path"]
    return scope["method"] == "PUT" and path.startswith(f"{PREFIX}/")


@router.put(
    "/{name}",
    status_code=201,
    summary="Upload a dataset",
    responses=_PLACED | described(409, 413, 415, 507),
    openapi_extra=_BODY,
)
async def put_dataset(
    name: DatasetName,
    request: Request,
    response: Response,
    resources: ResourcesDependency,
    image_column: Column = None,
    label_column: Column = None,
    split_column: Column = None,
    group_column: Column = None,
    value_range: StatedRange = None,
) -> Dataset:
    """The body is the file itself (`curl -T screws.zip …/v1/datasets/screws`): a ZIP or TAR file of an image folder, an
    `.npz` with `x_train, y_train` or `train_images, train_labels`, one `.parquet` file in the Hugging Face layout, or
    the weights of a network as `.safetensors`. Every image is decoded before anything is stored; an unreadable file is
    refused with the name of the image or the row, and leaves nothing behind. `warnings` says which files are not read.

    A dataset never changes: the same file again is 200, another file under the name is 409. Tasks refer to it as
    `dataset://NAME`.
    """
    _require_name(name)
    if request.headers.get("content-type", "").startswith("multipart/"):
        raise HTTPException(415, "The body is a form; send only the bytes of the file, as curl -T does.")
    given = {
        "image_column": image_column,
        "label_column": label_column,
        "split_column": split_column,
        "group_column": group_column,
    }
    stated: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if value_range is not None:
        stated["value_range"] = _range(value_range)
    try:
        row, is_new = await _received(request, resources, name, stated)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFullError("the artifact store is full; nothing was stored") from error
        raise
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"{PREFIX}/{name}"
    return dataset_document(row)


@router.get("", summary="List datasets")
def list_datasets(resources: ResourcesDependency, limit: Limit = 50, after: After = None) -> Page[DatasetSummary]:
    """Newest first; only the document of a single dataset lists its classes."""
    with reading(resources.engine) as registry:
        rows = registry.datasets.list(limit=limit + 1, after=after)
    return page([dataset_summary(row) for row in rows], limit)


@router.get("/{name}", summary="Show a dataset", response_model=Dataset, responses=POLLED | described(404))
def get_dataset(name: DatasetName, request: Request, resources: ResourcesDependency) -> Response:
    """Its kind, its size, its digests, and the number of images of each class in each split."""
    return conditional(request, dataset_document(_row(resources, name)))


@router.get(
    "/{name}/samples",
    summary="Some images of each class",
    response_model=DatasetSamples,
    responses=POLLED | described(404),
)
def get_samples(name: DatasetName, request: Request, resources: ResourcesDependency) -> Response:
    """Up to six training images of each class as PNG, none larger than 96×96 pixels. Test images are never shown."""
    row = _row(resources, name)
    if row.samples is None:
        raise NoSamplesError(f"dataset {name!r} contains the weights of a network, not images")
    try:
        body = resources.store.read(row.samples)
    except FileNotFoundError as error:
        raise MissingArtifactError(f"the file {row.samples} is no longer in the artifact store") from error
    return conditional_body(request, body, f'"{row.samples}"', JSON)


@router.delete("/{name}", status_code=204, summary="Delete a dataset", responses=described(404, 409))
def delete_dataset(name: DatasetName, resources: ResourcesDependency) -> None:
    """Also deletes its file, in object storage a day later, unless another resource needs it.

    409 if a task refers to the dataset.
    """
    with unit_of_work(resources.engine) as registry:
        for digest in registry.datasets.delete(name):
            resources.store.drop(digest)


async def _received(
    request: Request, resources: Resources, name: str, stated: dict[str, Any]
) -> tuple[DatasetRow, bool]:
    """Streams the body to disk, then checks and stores it."""
    incoming = await run_in_threadpool(resources.store.receive)
    try:
        async for piece in _pieces(request):
            await run_in_threadpool(incoming.write, piece)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(resources.checks, accept_upload, resources, name, incoming, stated)
    except ClientDisconnect as gone:
        raise HTTPException(400, "The connection ended before the end of the body.") from gone
    finally:
        incoming.close()


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    """The body in chunks large enough to hand to a thread."""
    waiting = bytearray()
    async for chunk in request.stream():
        waiting += chunk
        if len(waiting) >= WRITE_BYTES:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting)


def _range(text: str) -> list[float]:
    """The value range of the query, as a dataset reference has it."""
    try:
        return ValueRange.from_json([float(number) for number in text.split(",")]).to_json()
    except ValueError as error:
        raise InvalidReferenceError(
            f"{text!r} is not a value range; write two numbers, the lower first, as 0,4095", field="value_range"
        ) from error
    except InvalidReferenceError as refusal:
        raise InvalidReferenceError(refusal.message, field="value_range") from refusal


def _row(resources: Resources, name: str) -> DatasetRow:
    with reading(resources.engine) as registry:
        return registry.datasets.get(name)


def _require_name(name: str) -> None:
    if not is_uploaded_name(name):
        raise InvalidNameError(f"{name!r} is not a valid name; use {NAME_IN_WORDS}")
