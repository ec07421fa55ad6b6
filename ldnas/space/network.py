"""The network of a genotype: its cell, placed in a skeleton."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ldnas.space.genotype import EDGES, Genotype
from ldnas.space.primitives import BUILDERS
from ldnas.space.skeleton import Skeleton


class Cell(nn.Module):
    """Four nodes; each is the sum of its incoming edges, node 0 is the input, node 3 the output [N, C, H, W]."""

    def __init__(self, genotype: Genotype, channels: int) -> None:
        super().__init__()
        self.edges = nn.ModuleList(BUILDERS[primitive](channels) for primitive in genotype.primitives)

    def forward(self, inputs: Tensor) -> Tensor:
        nodes = [inputs]
        # EDGES is sorted by the end node, so every start is complete before it is read.
        for (start, end), operation in zip(EDGES, self.edges, strict=True):
            term = operation(nodes[start])
            if end == len(nodes):
                nodes.append(term)
            else:
                nodes[end] = nodes[end] + term
        return nodes[-1]


def stem(channels: int) -> nn.Sequential:
    """A 3×3 convolution and batch norm: images [N, 3, S, S] → [N, C, S, S]."""
    return nn.Sequential(nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))


def reduction(channels_in: int, channels_out: int) -> nn.Sequential:
    """ReLU, a 3×3 convolution of stride 2, batch norm: [N, C, H, W] → [N, C', ⌈H/2⌉, ⌈W/2⌉]."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels_in, channels_out, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
    )


def pooled(maps: Tensor) -> Tensor:
    """ReLU and global average pooling: [N, C, H, W] → [N, C], the input of the head."""
    return torch.relu(maps).mean(dim=(2, 3))


class CellNetwork(nn.Module):
    """Stem, stages of equal cells with reductions between them, ReLU, global average pooling, linear head."""

    def __init__(self, genotype: Genotype, skeleton: Skeleton) -> None:
        super().__init__()
        self.genotype = genotype
        self.skeleton = skeleton
        self.stem = stem(skeleton.stem_channels)
        self.stages = nn.ModuleList()
        channels = skeleton.stem_channels
        for index, stage in enumerate(skeleton.stages):
            entry = [reduction(channels, stage.channels)] if index else []
            cells = [Cell(genotype, stage.channels) for _ in range(stage.cells)]
            self.stages.append(nn.Sequential(*entry, *cells))
            channels = stage.channels
        self.head = nn.Linear(channels, skeleton.classes)

    def features(self, inputs: Tensor) -> Tensor:
        """The input of the head: images [N, 3, S, S] → features [N, D], D the last stage's channels."""
        maps = self.stem(inputs)
        for stage in self.stages:
            maps = stage(maps)
        return pooled(maps)

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalised images [N, 3, S, S] → logits [N, classes]."""
        logits: Tensor = self.head(self.features(inputs))
        return logits


def build_cell_network(genotype: Genotype, skeleton: Skeleton, *, seed: int) -> CellNetwork:
    """The network of a genotype with fresh weights, on the CPU; equal arguments give equal weights.

    torch's own global generator does not change.
    """
    with weights_drawn_from(seed):
        return CellNetwork(genotype, skeleton)


def start_from(network: CellNetwork, weights: Mapping[str, Tensor]) -> None:
    """Copy the weights and buffers of a network of the same cell and widths into `network`, except its linear head.

    The other network may have other classes, of any number, so the head keeps its weights.
    """
    own = {name: tensor for name, tensor in network.state_dict().items() if name.startswith("head.")}
    network.load_state_dict({**weights, **own})


@contextmanager
def weights_drawn_from(seed: int) -> Iterator[None]:
    """Inside, modules draw their fresh weights from `seed`; afterwards torch's global generator is as it was."""
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed: that would also reseed the accelerators, which fork_rng does not restore here.
        torch.default_generator.manual_seed(seed)
        yield
