"""The cell of an architecture as nodes and edges, for programs."""

from collections.abc import Mapping
from typing import Any

from service.figures.cell_drawing import last_node, role_of
from service.schemas.architectures import CellGraph, GraphEdge, GraphNode


def cell_graph(genotype: Mapping[str, Any], skeleton: Mapping[str, Any]) -> CellGraph:
    """Converts the genotype `{"edges": [[0, 1, "sep_conv_3x3"], …]}` to nodes and edges."""
    edges = [GraphEdge(source=start, target=end, primitive=primitive) for start, end, primitive in genotype["edges"]]
    last = last_node(genotype)
    nodes = [GraphNode(id=id, role=role_of(id, last)) for id in range(last + 1)]
    return CellGraph(nodes=nodes, edges=edges, skeleton=dict(skeleton))
