"""The finished networks."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from service.client.documents.part import Json, Part, load_by

if TYPE_CHECKING:
    from service.client.networks import CellNetwork


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

    def load_network(self) -> "CellNetwork":
        """The network as a torch module; see `Client.load_network`."""
        return load_by(self, self.id)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from service.terminal.html import (
            architecture_html,  # Rich takes a while to import, and a script needs none of it
        )

        return architecture_html(self)
