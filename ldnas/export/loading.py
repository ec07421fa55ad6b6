"""Loads a finished network from its weights file; builds it with this package and never runs code from a file."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ldnas.export.templates.shared import read_safetensors
from ldnas.networks.design import CellDesign, Design, design_from_json
from ldnas.space.network import build_cell_network


def load_network(weights: bytes, design: Mapping[str, Any]) -> nn.Module:
    """The network with its weights, on the CPU and in eval mode.

    A cell needs torch and Pillow alone, the other kinds also torchvision and timm. All weights come from the file: the
    package with the weights of ImageNet is not needed.

    Args:
        weights: a safetensors file; tensors alone, so nothing in it can be run.
        design: as `to_json` of a `Design` writes it.

    Raises:
        InvalidSearchError: the kind of the design, or its network, is unknown in this release.
        InvalidGenotypeError: the genotype is invalid in this release.
        ValueError: the weights do not belong to that network.
    """
    network = _built(design_from_json(design))
    try:
        network.load_state_dict(read_safetensors(weights))
    except (RuntimeError, LookupError, TypeError) as error:
        raise ValueError(f"these weights do not belong to the network: {error}") from error
    if not all(bool(torch.isfinite(tensor).all()) for tensor in network.state_dict().values()):
        raise ValueError("the weights are not finite")
    return network.eval()


def _built(design: Design) -> nn.Module:
    """The network of a design with fresh weights."""
    if isinstance(design, CellDesign):
        return build_cell_network(design.genotype, design.skeleton, seed=0)
    # Imported here because a cell can be loaded where torchvision and timm are not installed.
    from ldnas.networks.designed import build_designed

    return build_designed(design, seed=0, imagenet_weights=False)
