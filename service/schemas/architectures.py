"""The responses of `/v1/architectures`, and the request to train an architecture again."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from service.schemas.base import Document, Instant, Resource
from service.schemas.jobs import State
from service.schemas.tasks import ClassCount
from worker.specification import DatasetRequest, ImageSize, LabelsRequest, Name, Objective, Request, Seed


class Architecture(Resource):
    """A finished network: its design and its scores."""

    name: str
    recommendation_id: str | None
    job_id: str
    kind: str = Field("cell", description="`cell`, `plain` (from fresh weights) or `pretrained`")
    design: dict[str, Any] | None = Field(
        None,
        description="everything about the network but its weights: its `kind`, and what determines one of that kind",
    )
    genotype: dict[str, Any] | None = Field(description="the cell; null for a network without one")
    skeleton: dict[str, Any] | None = Field(description="where the cells go; null for a network without cells")
    class_names: tuple[str, ...] = Field(description="output i of the network belongs to class i")
    preprocessing: dict[str, Any]
    parameters: int
    macs: int = Field(description="multiply-adds for one image")
    validation: dict[str, Any] | None
    test: dict[str, Any] | None
    code: str = Field(description="path of the standalone PyTorch code")
    weights: str = Field(description="path of the weights, safetensors")
    program: str = Field(description="path of the `torch.export` program, .pt2")
    onnx: str = Field(description="path of the ONNX model")
    graph: str | None = Field(description="path of the cell as a graph, JSON or SVG; null for a network without a cell")
    card: str = Field(description="path of the model card, Markdown")
    created_at: Instant


class GraphNode(Document):
    """A node of the cell; its value is the sum of the edges that end at it."""

    id: int
    role: Literal["input", "inner", "output"]


class GraphEdge(Document):
    """An edge of the cell, and its primitive."""

    source: int = Field(description="id of the node that the edge reads")
    target: int = Field(description="id of the node that the edge adds to")
    primitive: str


class CellGraph(Document):
    """The cell in the node-link layout, and the skeleton that repeats it."""

    directed: Literal[True] = True
    multigraph: Literal[False] = False
    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]
    skeleton: dict[str, Any]


class TrainingRequest(Request):
    """The data to train an architecture on again, from fresh weights, with a head for the new classes."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "round_or_not",
                    "dataset": {"uri": "builtin://digits"},
                    "labels": {"groups": [[0, 6, 8, 9]], "rest": True},
                }
            ]
        }
    )

    dataset: DatasetRequest
    labels: LabelsRequest | None = Field(None, description="absent: the classes of the dataset itself")
    name: Name | None = Field(
        None, description="name of the new architecture; absent: derived from the name of the original"
    )
    image_size: ImageSize | None = Field(None, description="absent: the image size of the architecture")
    objective: Objective = Field("accuracy", description="objective of the training")
    seed: Seed = 0
    priority: int = Field(0, ge=-100, le=100, description="jobs of higher priority run first")


class Training(Document):
    """The response of `POST /v1/architectures/{id}/train`."""

    job_id: str = Field(description="poll `/v1/jobs/{job_id}`")
    state: State
    architecture_id: str = Field(description="id of the new architecture, which exists once the job has succeeded")
    task_id: str = Field(description="the target task of the new data")
    name: str
    class_counts: tuple[ClassCount, ...] | None = Field(
        None,
        description="images of each class; null where only a worker can read the dataset: the task has them after that",
    )
