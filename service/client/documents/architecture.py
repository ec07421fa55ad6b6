"""The document of a finished network."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from service.client.documents.part import Json, Part, load_by

if TYPE_CHECKING:
    from ldnas.export.loading import CellNetwork


@dataclass(frozen=True, eq=False, repr=False)
class Architecture(Part):
    """A finished network: its cell, its skeleton, and its scores.

    Attributes:
        class_names: output i of the network belongs to class i.
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
        """The HTML that a notebook shows."""
        from service.client.display.html import (
            architecture_html,  # Rich takes time to import, and scripts do not need it
        )

        return architecture_html(self)
