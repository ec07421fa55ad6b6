"""The supernet: one network that holds every cell of a space, because each edge carries all of its primitives.

Its skeleton is that of `ldnas.space.network`. As in DARTS (Liu, Simonyan, Yang, arXiv:1806.09055, appendix A.1.1) its
batch norms normalise every batch by itself, because averages over one choice of primitives do not hold for another,
and have no scale of their own, which would stand in for an edge's weights. A pooling is followed by one, as in the
authors' released program.
"""

import math

import torch
from torch import Tensor, nn

from ldnas.space.genotype import EDGES, Genotype
from ldnas.space.network import pooled, reduction, stem, weights_drawn_from
from ldnas.space.primitives import BUILDERS
from ldnas.space.skeleton import Skeleton
from ldnas.space.space import SearchSpace

_POOLS = ("max_pool_3x3", "avg_pool_3x3")


class MixedEdge(nn.Module):
    """All primitives of a space side by side on one edge: [N, C, H, W] → [N, C, H, W].

    With `partial` K > 1 only the first C/K channels pass through them and the others bypass them, after which the
    channels are shuffled so that the next edge processes others (PC-DARTS: Xu et al., arXiv:1907.05737, section 3.2,
    Eq. 2). Where K does not divide C, their greatest common divisor stands for K.
    """

    def __init__(self, primitives: tuple[str, ...], channels: int, *, partial: int) -> None:
        super().__init__()
        self._groups = math.gcd(channels, partial)
        self._width = channels // self._groups
        self.operations = nn.ModuleList(_search_operation(primitive, self._width) for primitive in primitives)

    def forward(self, inputs: Tensor, choice: Tensor | int) -> Tensor:
        """`choice` is a weight for each primitive [P], or the index of the only one to compute."""
        if self._groups == 1:
            return self._operate(inputs, choice)
        passed = self._operate(inputs[:, : self._width], choice)
        joined = torch.cat([passed, inputs[:, self._width :]], dim=1)
        return nn.functional.channel_shuffle(joined, self._groups)

    def _operate(self, inputs: Tensor, choice: Tensor | int) -> Tensor:
        if isinstance(choice, int):
            only: Tensor = self.operations[choice](inputs)
            return only
        terms = [weight * operation(inputs) for weight, operation in zip(choice, self.operations, strict=True)]
        return torch.stack(terms).sum(dim=0)


class MixedCell(nn.Module):
    """Four nodes as in `ldnas.space.network.Cell`, a `MixedEdge` on each of the six edges."""

    def __init__(self, primitives: tuple[str, ...], channels: int, *, partial: int) -> None:
        super().__init__()
        self.edges = nn.ModuleList(MixedEdge(primitives, channels, partial=partial) for _ in EDGES)

    def forward(self, inputs: Tensor, choices: Tensor | tuple[int, ...]) -> Tensor:
        nodes = [inputs]
        for (start, end), edge, choice in zip(EDGES, self.edges, choices, strict=True):
            term = edge(nodes[start], choice)
            if end == len(nodes):
                nodes.append(term)
            else:
                nodes[end] = nodes[end] + term
        return nodes[-1]


class Supernet(nn.Module):
    """Stem, stages of mixed cells with reductions between them, ReLU, global average pooling, linear head."""

    def __init__(self, space: SearchSpace, skeleton: Skeleton, *, partial: int = 1) -> None:
        super().__init__()
        self.space = space
        self.stem = _with_batch_statistics(stem(skeleton.stem_channels))
        body: list[nn.Module] = []
        channels = skeleton.stem_channels
        for index, stage in enumerate(skeleton.stages):
            entry = [_with_batch_statistics(reduction(channels, stage.channels))] if index else []
            cells = [MixedCell(space.primitives, stage.channels, partial=partial) for _ in range(stage.cells)]
            body += [*entry, *cells]
            channels = stage.channels
        self.body = nn.ModuleList(body)
        self.head = nn.Linear(channels, skeleton.classes)

    def forward(self, inputs: Tensor, choice: Tensor | Genotype) -> Tensor:
        """Normalised images [N, 3, S, S] → logits [N, classes].

        Args:
            choice: a weight for each primitive of the space on each edge [6, P], the same in every cell; or a
                genotype of the space, whose operations are then the only ones computed.
        """
        choices = choice if isinstance(choice, Tensor) else self._indices(choice)
        maps = self.stem(inputs)
        for module in self.body:
            maps = module(maps, choices) if isinstance(module, MixedCell) else module(maps)
        logits: Tensor = self.head(pooled(maps))
        return logits

    def _indices(self, genotype: Genotype) -> tuple[int, ...]:
        self.space.require(genotype)
        return tuple(self.space.primitives.index(primitive) for primitive in genotype.primitives)


def build_supernet(space: SearchSpace, skeleton: Skeleton, *, partial: int = 1, seed: int) -> Supernet:
    """The supernet with fresh weights, on the CPU; equal arguments give equal weights.

    torch's own global generator does not change.
    """
    with weights_drawn_from(seed):
        return Supernet(space, skeleton, partial=partial)


def _search_operation(primitive: str, channels: int) -> nn.Module:
    operation = BUILDERS[primitive](channels)
    if primitive in _POOLS:
        operation = nn.Sequential(operation, nn.BatchNorm2d(channels))
    return _with_batch_statistics(operation)


def _with_batch_statistics(module: nn.Module) -> nn.Module:
    """The module with each batch norm replaced, in place, by one that only normalises every batch by itself."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, nn.BatchNorm2d(child.num_features, affine=False, track_running_stats=False))
        else:
            _with_batch_statistics(child)
    return module
