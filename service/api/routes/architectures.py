"""`/v1/architectures`: finished networks, their files, and training them again on other data."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from starlette.responses import FileResponse

from service.api.dependencies import (
    After,
    CallerDependency,
    IdempotencyKey,
    Limit,
    ResourceId,
    Resources,
    ResourcesDependency,
)
from service.api.errors import NoCellError
from service.api.http.accepted import ACCEPTED, point_to
from service.api.http.conditional import POLLED, conditional, conditional_body, tag_of
from service.api.http.files import file_of, stored_file
from service.api.http.negotiation import negotiated
from service.api.problems import described
from service.api.serializers import architecture_document
from service.api.submissions.training import accept_training
from service.figures.cell_drawing import cell_drawing, last_node, role_of
from service.schemas.architectures import Architecture, CellGraph, GraphEdge, GraphNode, Training, TrainingRequest
from service.schemas.base import Page
from worker.errors import NotFoundError
from worker.registry import ARCHITECTURES, ArchitectureRow, architecture_of, reading

PYTHON = "text/x-python"
MARKDOWN = "text/markdown"
BINARY = "application/octet-stream"
JSON = "application/json"
SVG = "image/svg+xml"


router = APIRouter(prefix="/v1/architectures", tags=["architectures"], responses=described(404, 422, 503))


@router.get("", summary="List architectures", response_model=Page[Architecture])
async def list_architectures(resources: ResourcesDependency, limit: Limit = 50, after: After = None) -> Response:
    """Newest first."""
    return await resources.polls.page(Page[Architecture], ARCHITECTURES, _line, limit, after=after)


@router.get("/{architecture_id}", summary="Show an architecture", response_model=Architecture, responses=POLLED)
def get_architecture(architecture_id: ResourceId, request: Request, resources: ResourcesDependency) -> Response:
    """Its design and its scores."""
    return conditional(request, architecture_document(_row(resources, architecture_id)))


@router.get(
    "/{architecture_id}/code",
    summary="Standalone PyTorch code",
    response_class=FileResponse,
    responses=file_of(PYTHON, binary=False),
)
def get_code(architecture_id: ResourceId, request: Request, resources: ResourcesDependency) -> Response:
    """One Python file that rebuilds the network, loads its weights and classifies images; needs torch and Pillow.

    That of a pretrained network also needs the library that has the network, timm or torchvision.
    """
    return stored_file(resources.store, request, _row(resources, architecture_id).code, PYTHON, f"{architecture_id}.py")


@router.get(
    "/{architecture_id}/weights",
    summary="The weights",
    response_class=FileResponse,
    responses=file_of(BINARY, binary=True),
)
def get_weights(architecture_id: ResourceId, request: Request, resources: ResourcesDependency) -> Response:
    """A safetensors file; its metadata contains class names and preprocessing."""
    return stored_file(
        resources.store, request, _row(resources, architecture_id).weights, BINARY, f"{architecture_id}.safetensors"
    )


@router.get(
    "/{architecture_id}/program",
    summary="The network as a PyTorch program",
    response_class=FileResponse,
    responses=file_of(BINARY, binary=True),
)
def get_program(architecture_id: ResourceId, request: Request, resources: ResourcesDependency) -> Response:
    """A file for `torch.export.load`: graph and weights without code; its `metadata.json` contains class names and
    preprocessing."""
    return stored_file(
        resources.store, request, _row(resources, architecture_id).program, BINARY, f"{architecture_id}.pt2"
    )


@router.get(
    "/{architecture_id}/onnx",
    summary="The network as ONNX",
    response_class=FileResponse,
    responses=file_of(BINARY, binary=True),
)
def get_onnx(architecture_id: ResourceId, request: Request, resources: ResourcesDependency) -> Response:
    """`images` float32 [batch, 3, S, S] → `logits`; its metadata contains class names and preprocessing."""
    return stored_file(
        resources.store, request, _row(resources, architecture_id).onnx, BINARY, f"{architecture_id}.onnx"
    )


@router.get(
    "/{architecture_id}/card",
    summary="The model card",
    response_class=FileResponse,
    responses=file_of(MARKDOWN, binary=False),
)
def get_card(architecture_id: ResourceId, request: Request, resources: ResourcesDependency) -> Response:
    """Data, classes, preprocessing, accuracy with its interval, limits, provenance, and how to use each file."""
    return stored_file(
        resources.store, request, _row(resources, architecture_id).card, MARKDOWN, f"{architecture_id}.md"
    )


@router.get(
    "/{architecture_id}/graph",
    summary="The cell as a graph",
    response_model=CellGraph,
    responses={
        **POLLED,
        200: POLLED[200] | {"content": {SVG: {"schema": {"type": "string"}}}},
        **described(406),
    },
)
def get_graph(
    architecture_id: ResourceId,
    request: Request,
    resources: ResourcesDependency,
    accept: Annotated[str | None, Header()] = None,
) -> Response:
    """Nodes and edges in the node-link layout of d3 and networkx, with the skeleton; as SVG, a drawing of the cell.

    404 for a network without a cell.
    """
    media_type = negotiated(accept, (JSON, SVG))
    row = _row(resources, architecture_id)
    if row.genotype is None or row.skeleton is None:
        raise NoCellError(f"the architecture has no cell: it is of the kind {row.network_design['kind']}")
    vary = {"Vary": "Accept"}
    if media_type == JSON:
        return conditional(request, cell_graph(row.genotype, row.skeleton), headers=vary)
    body = cell_drawing(row.genotype).encode()
    return conditional_body(request, body, tag_of(body), SVG, headers=vary)


@router.post(
    "/{architecture_id}/train",
    status_code=202,
    summary="Train an architecture again",
    responses=ACCEPTED | described(400, 409, 413, 415),
)
def train_again(
    architecture_id: ResourceId,
    body: TrainingRequest,
    response: Response,
    resources: ResourcesDependency,
    caller: CallerDependency,
    key: IdempotencyKey = None,
) -> Training:
    """Queues a job that trains its network on other data, with a head for the new classes, without a search.

    The result is a new architecture without a recommendation; the one in the path does not change.
    """
    job = accept_training(resources, architecture_id, body, key, owner=caller.owner)
    point_to(response, f"/v1/jobs/{job.id}")
    known = {name: job.params[name] for name in ("architecture_id", "task_id", "name")}
    counts = _counts(resources, known["task_id"])
    return Training(job_id=job.id, state=job.state.value, class_counts=counts, **known)


def _counts(resources: Resources, task_id: str) -> list[dict[str, Any]] | None:
    with reading(resources.engine) as registry, suppress(NotFoundError):
        return registry.tasks.get(task_id).class_counts
    return None  # the answer to a repeated request, after the task was deleted


def _row(resources: Resources, architecture_id: str) -> ArchitectureRow:
    with reading(resources.engine) as registry:
        return registry.architectures.get(architecture_id)


def cell_graph(genotype: Mapping[str, Any], skeleton: Mapping[str, Any]) -> CellGraph:
    """Converts the genotype `{"edges": [[0, 1, "sep_conv_3x3"], …]}` to nodes and edges."""
    edges = [GraphEdge(source=start, target=end, primitive=primitive) for start, end, primitive in genotype["edges"]]
    last = last_node(genotype)
    nodes = [GraphNode(id=id, role=role_of(id, last)) for id in range(last + 1)]
    return CellGraph(nodes=nodes, edges=edges, skeleton=dict(skeleton))


def _line(row: Sequence[Any]) -> Architecture:
    return architecture_document(architecture_of(row))
