"""An image classifier found by architecture search, complete in this file: it needs torch and Pillow."""

import torch
from torch import Tensor, nn

# Channels and number of cells of each stage; every stage but the first begins by halving height and width.
STAGES: tuple[tuple[int, int], ...] = ((16, 1), (32, 1))
# The cell: (from node, to node, operation). Node 0 is its input, node 3 its output, a node the sum of its edges.
EDGES: tuple[tuple[int, int, str], ...] = ((0, 1, "identity"), (0, 2, "identity"), (1, 2, "identity"))


def operation(name: str, channels: int) -> nn.Module:
    """The operation of an edge; it keeps the shape [N, C, H, W] of its input."""
    if name == "identity":
        return nn.Identity()
    if name == "max_pool_3x3":
        return nn.MaxPool2d(3, stride=1, padding=1)
    if name == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    if name == "conv_7x1_1x7":
        return nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels, channels, (1, 7), padding=(0, 3), bias=False),
            nn.Conv2d(channels, channels, (7, 1), padding=(3, 0), bias=False),
            nn.BatchNorm2d(channels),
        )
    kind, _, size = name.split("_")  # sep_conv_3x3, dil_conv_5x5, …
    kernel, dilation = int(size[0]), 2 if kind == "dil" else 1
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, channels, kernel, padding=padding, dilation=dilation, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
    )


class Cell(nn.Module):
    """A small graph of operations at one resolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.edges = nn.ModuleList(operation(name, channels) for _, _, name in EDGES)

    def forward(self, inputs: Tensor) -> Tensor:
        nodes = {0: inputs}
        for (start, end, _), edge in zip(EDGES, self.edges, strict=True):
            term = edge(nodes[start])
            nodes[end] = nodes[end] + term if end in nodes else term
        return nodes[max(nodes)]


class Network(nn.Module):
    """Images [N, 3, S, S], normalised to [-1, 1] → logits [N, classes]."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        channels = STAGES[0][0]
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.stages = nn.ModuleList()
        for index, (width, cells) in enumerate(STAGES):
            layers: list[nn.Module] = [Cell(width) for _ in range(cells)]
            if index > 0:
                halve = nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False)
                layers.insert(0, nn.Sequential(nn.ReLU(), halve, nn.BatchNorm2d(width)))
            self.stages.append(nn.Sequential(*layers))
            channels = width
        self.head = nn.Linear(channels, classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.stem(images)
        for stage in self.stages:
            maps = stage(maps)
        logits: Tensor = self.head(torch.relu(maps).mean(dim=(2, 3)))
        return logits
