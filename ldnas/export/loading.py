"""Loads a found network from its weights file; builds it with this package's code and never runs code from a file."""

from collections.abc import Mapping
from typing import Any

import torch

from ldnas.export.template import read_safetensors
from ldnas.space.genotype import Genotype
from ldnas.space.network import CellNetwork, build_cell_network
from ldnas.space.skeleton import Skeleton

__all__ = ["CellNetwork", "load_cell_network"]


def load_cell_network(weights: bytes, genotype: Mapping[str, Any], skeleton: Mapping[str, Any]) -> CellNetwork:
    """The network with its weights, on the CPU and in eval mode.

    Args:
        weights: a safetensors file; tensors alone, so nothing in it can be run.
        genotype: as `Genotype.to_json` writes it.
        skeleton: as `Skeleton.to_json` writes it.

    Raises:
        InvalidGenotypeError: the genotype is invalid in this release.
        ValueError: the weights do not belong to that network.
    """
    network = build_cell_network(Genotype.from_json(genotype), Skeleton.from_json(skeleton), seed=0)
    try:
        network.load_state_dict(read_safetensors(weights))
    except (RuntimeError, LookupError, TypeError) as error:
        raise ValueError(f"these weights do not belong to the network: {error}") from error
    if not all(bool(torch.isfinite(tensor).all()) for tensor in network.state_dict().values()):
        raise ValueError("the weights are not finite")
    return network.eval()
