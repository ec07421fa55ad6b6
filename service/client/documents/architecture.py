"""The finished networks."""

from dataclasses import dataclass
from datetime import datetime

from service.client.documents.part import Json, Part


@dataclass(frozen=True, eq=False, repr=False)
class Architecture(Part):
    """A finished network: its cell, its skeleton, and what it scored.

    Attributes:
        class_names: output i of the network stands for class i.
        macs: multiply-adds for one image.
        code: path of the standalone PyTorch code.
        weights: path of the weights, safetensors.
        program: path of the `torch.export` program, .pt2.
        onnx: path of the ONNX model.
        graph: path of the cell as a graph, JSON or SVG.
        card: path of the model card, Markdown.
    """

    id: str
    name: str
    recommendation_id: str | None
    job_id: str
    genotype: Json
    skeleton: Json
    class_names: tuple[str, ...]
    preprocessing: Json
    parameters: int
    macs: int
    validation: Json | None
    test: Json | None
    code: str
    weights: str
    program: str
    onnx: str
    graph: str
    card: str
    created_at: datetime
