"""`/v1/architectures`: the finished networks, their code and their weights."""

from fastapi import APIRouter, Request, Response
from starlette.responses import FileResponse

from service.dependencies import After, Limit, ResourceId, Resources, ResourcesDependency
from service.documents import architecture_document
from service.errors import MissingArtifactError
from service.http.conditional import POLLED, conditional, matches
from service.http.paging import page
from service.http.problems import described
from service.schemas.architectures import Architecture
from service.schemas.base import Page
from worker.registry.session import reading

CODE_MEDIA_TYPE = "text/x-python"
WEIGHTS_MEDIA_TYPE = "application/octet-stream"

router = APIRouter(prefix="/v1/architectures", tags=["architectures"], responses=described(404, 422, 503))


@router.get("", summary="List architectures")
def list_architectures(resources: ResourcesDependency, limit: Limit = 50, after: After = None) -> Page[Architecture]:
    """Newest first."""
    with reading(resources.engine) as registry:
        rows = registry.architectures.list(limit=limit + 1, after=after)
    return page([architecture_document(row) for row in rows], limit)


@router.get("/{architecture_id}", summary="Show an architecture", response_model=Architecture, responses=POLLED)
def get_architecture(architecture_id: ResourceId, request: Request, resources: ResourcesDependency) -> Response:
    """Its cell, its skeleton, and what it scored."""
    with reading(resources.engine) as registry:
        row = registry.architectures.get(architecture_id)
    return conditional(request, architecture_document(row))


@router.get(
    "/{architecture_id}/code",
    summary="Standalone PyTorch code",
    response_class=FileResponse,
    responses=POLLED | {200: POLLED[200] | {"content": {CODE_MEDIA_TYPE: {"schema": {"type": "string"}}}}},
)
def get_code(architecture_id: ResourceId, request: Request, resources: ResourcesDependency) -> Response:
    """One Python file that rebuilds the network, loads its weights and classifies an image; it needs only torch."""
    with reading(resources.engine) as registry:
        row = registry.architectures.get(architecture_id)
    return _file(resources, request, row.code, CODE_MEDIA_TYPE, f"{architecture_id}.py")


@router.get(
    "/{architecture_id}/weights",
    summary="The weights",
    response_class=FileResponse,
    responses=POLLED
    | {200: POLLED[200] | {"content": {WEIGHTS_MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}}},
)
def get_weights(architecture_id: ResourceId, request: Request, resources: ResourcesDependency) -> Response:
    """In the safetensors layout."""
    with reading(resources.engine) as registry:
        row = registry.architectures.get(architecture_id)
    return _file(resources, request, row.weights, WEIGHTS_MEDIA_TYPE, f"{architecture_id}.safetensors")


def _file(resources: Resources, request: Request, digest: str, media_type: str, filename: str) -> Response:
    """An artifact; its digest is its tag, and it never changes."""
    headers = {"ETag": f'"{digest}"', "Cache-Control": "private, max-age=31536000, immutable"}
    if matches(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    path = resources.store.path(digest)
    if not path.is_file():
        raise MissingArtifactError(f"the file {digest} is no longer in the artifact store")
    return FileResponse(path, media_type=media_type, filename=filename, headers=headers)
