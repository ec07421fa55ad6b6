"""Networks of every kind of design, with weights that let errors show."""

import torch
from torch import nn

from ldnas.networks.design import MOBILENET, CellDesign, Design, PlainDesign, PretrainedDesign
from ldnas.networks.designed import build_designed
from ldnas.space.genotype import Genotype
from ldnas.space.skeleton import Skeleton, Stage

GENOTYPE = Genotype(("sep_conv_3x3", "dil_conv_5x5", "max_pool_3x3", "identity", "avg_pool_3x3", "conv_7x1_1x7"))


def cell(image_size: int) -> CellDesign:
    """A small cell network for images of so many pixels."""
    return CellDesign(GENOTYPE, Skeleton(image_size, 3, 4, (Stage(4, 1), Stage(6, 1))))


CELL = cell(16)
PLAIN = PlainDesign(width=3, image_size=16, classes=3)
MOBILE = PlainDesign(width=0.35, image_size=16, classes=3, name=MOBILENET)
PRETRAINED = PretrainedDesign(image_size=32, classes=3)
OTHER_PRETRAINED = PretrainedDesign(image_size=32, classes=3, name="test_efficientnet", weights="0" * 64)
OF_TORCHVISION = PretrainedDesign(image_size=32, classes=3, name="torchvision/squeezenet1_1", weights="0" * 64)
ALL = (CELL, PLAIN, MOBILE, PRETRAINED, OTHER_PRETRAINED, OF_TORCHVISION)


def kind_of(design: Design) -> str:
    """The name of a test over a design."""
    return f"{getattr(design, 'name', design.kind)}-{design.image_size}"


@torch.no_grad()
def trained_network(design: Design) -> nn.Module:
    """A network in eval mode whose batch norms are not fresh; on noise its logits have mean 0 and a spread near 1."""
    network = build_designed(design, seed=0)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(16, 3, design.image_size, design.image_size, generator=generator)
    if not isinstance(design, PretrainedDesign):
        for _ in range(5):
            network(noise)
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.weight.uniform_(0.5, 2.0, generator=generator)
                layer.bias.normal_(generator=generator)
    head = network.eval().get_submodule("head")
    assert isinstance(head, nn.Linear)
    head.weight.normal_(generator=generator)
    head.bias.zero_()
    head.weight.div_(network(noise).std(dim=0, keepdim=True).T)
    head.bias.sub_(network(noise).mean(dim=0))
    return network
