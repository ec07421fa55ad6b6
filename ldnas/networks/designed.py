"""Builds the network of a design, and counts its size."""

from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ldnas.networks.design import RESNET18, CellDesign, Design, PlainDesign
from ldnas.networks.mobilenet import build_mobilenet
from ldnas.networks.pretrained import embedded_network, named_network
from ldnas.networks.resnet import build_scaled_resnet18, resnet18_size
from ldnas.space.complexity import multiply_adds, parameters
from ldnas.space.network import build_cell_network, weights_drawn_from


def build_designed(
    design: Design, *, seed: int, imagenet_weights: bool = True, weights: Path | None = None
) -> nn.Module:
    """The network with its first weights, in training mode, on the CPU: fresh ones, or those of its pretraining.

    Args:
        imagenet_weights: False gives a pretrained design fresh weights too, for a caller that loads others; the package
            with the weights of ImageNet is then not needed.
        weights: the file of a pretrained design that names one; without it the network has fresh weights.

    Raises:
        InvalidSearchError, UnreadableDatasetError, UnfitWeightsError: see `named_network`.
    """
    match design:
        case CellDesign():
            return build_cell_network(design.genotype, design.skeleton, seed=seed)
        case PlainDesign() if design.name == RESNET18:
            return build_scaled_resnet18(design.classes, seed=seed, width=int(design.width))
        case PlainDesign():
            return build_mobilenet(design.classes, seed=seed, width=design.width, image_size=design.image_size)
        case _:
            with weights_drawn_from(seed):
                if design.weights is not None:
                    return named_network(design.name, classes=design.classes, weights=weights, name=design.weights)
                return embedded_network(classes=design.classes, imagenet_weights=imagenet_weights)


def size_of(design: Design) -> tuple[int, int]:
    """Parameters, frozen ones too, and multiply-adds for one image."""
    match design:
        case CellDesign():
            return parameters(design.genotype, design.skeleton), multiply_adds(design.genotype, design.skeleton)
        case PlainDesign() if design.name == RESNET18:
            return resnet18_size(design.classes, int(design.width), design.image_size)
        case _:
            network = build_designed(design, seed=0, imagenet_weights=False)
            count = sum(parameter.numel() for parameter in network.parameters())
            return count, counted_macs(network, design.image_size)


def counted_macs(network: nn.Module, image_size: int) -> int:
    """Multiply-adds for one image, counted by torch while the network runs once."""
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network.eval()(torch.zeros(1, 3, image_size, image_size))
    return counter.get_total_flops() // 2
