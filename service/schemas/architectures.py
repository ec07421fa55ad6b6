"""What `GET /v1/architectures` answers."""

from typing import Any, Literal

from pydantic import Field

from service.schemas.base import Instant, Resource, Response


class Architecture(Resource):
    """A finished network: its cell, its skeleton, and what it scored."""

    name: str
    recommendation_id: str | None
    job_id: str
    genotype: dict[str, Any]
    skeleton: dict[str, Any]
    class_names: list[str] = Field(description="output i of the network stands for class i")
    preprocessing: dict[str, Any]
    parameters: int
    macs: int = Field(description="multiply-adds for one image")
    validation: dict[str, Any] | None
    test: dict[str, Any] | None
    code: str = Field(description="path of the standalone PyTorch code")
    weights: str = Field(description="path of the weights, safetensors")
    program: str = Field(description="path of the `torch.export` program, .pt2")
    onnx: str = Field(description="path of the ONNX model")
    graph: str = Field(description="path of the cell as a graph, JSON or SVG")
    card: str = Field(description="path of the model card, Markdown")
    created_at: Instant


class GraphNode(Response):
    """A node of the cell; it is the sum of the edges that end there."""

    id: int
    role: Literal["input", "inner", "output"]


class GraphEdge(Response):
    """An edge of the cell, and what is computed on it."""

    source: int = Field(description="id of the node that is read")
    target: int = Field(description="id of the node that is added to")
    primitive: str


class CellGraph(Response):
    """The cell in the node-link layout, and the skeleton whose every cell it is."""

    directed: Literal[True] = True
    multigraph: Literal[False] = False
    nodes: list[GraphNode]
    edges: list[GraphEdge]
    skeleton: dict[str, Any]
