"""Cells as paths, one primitive's index per edge, and which of them the constraints admit: for α and controllers.

A path's code is Σ_edges 7^index. With six edges no digit exceeds 6, so equal codes mean equal multisets of primitives,
and the constraints depend on nothing else. The code is additive over the edges as every count is.
"""

import itertools

import torch
from torch import Tensor

from ldnas.space.feasible_cells import AdmittedCells
from ldnas.space.genotype import EDGES, Genotype

_BASE = len(EDGES) + 1


def best_admitted(edge_weights: Tensor, cells: AdmittedCells) -> Genotype:
    """The admitted cell of the highest Π_edges softmax(α), exactly, among all P^6 at once.

    Without constraints that is each edge's argmax.

    Args:
        edge_weights: log softmax(α), or α itself, [6, P].
    """
    weights = edge_weights.detach().cpu().double()
    if cells.constraints.unlimited:
        path = weights.argmax(dim=1).tolist()
    else:
        digits = _BASE ** torch.arange(weights.shape[1])
        scores, codes = _sum_over_edges(list(weights)), _sum_over_edges([digits] * len(EDGES))
        admitted = torch.isin(codes, multiset_codes(cells, len(EDGES)))
        place = scores.masked_fill(~admitted, -torch.inf).argmax()
        path = [int(index) for index in torch.unravel_index(place, scores.shape)]
    return Genotype(tuple(cells.primitives[index] for index in path))


def multiset_codes(cells: AdmittedCells, length: int) -> Tensor:
    """Codes of the paths over the first `length` edges that some admitted cell begins with, int64 [·]."""
    values = {primitive: _BASE**index for index, primitive in enumerate(cells.primitives)}
    codes = {
        sum(values[primitive] for primitive in part)
        for multiset in cells.multisets
        for part in itertools.combinations(multiset, length)
    }
    return torch.tensor(sorted(codes))


class PathMask:
    """Which primitives may come next on a path, so that an admitted cell can still be completed."""

    def __init__(self, cells: AdmittedCells) -> None:
        self._digits = _BASE ** torch.arange(len(cells.primitives))
        self._codes = [multiset_codes(cells, length) for length in range(1, len(EDGES) + 1)]

    def allowed(self, path: Tensor) -> Tensor:
        """Bool [M, P] for paths over the edges so far [M, E], 0 <= E < 6."""
        begun = self._digits[path].sum(dim=1)
        return torch.isin(begun[:, None] + self._digits, self._codes[path.shape[1]])


def _sum_over_edges(terms: list[Tensor]) -> Tensor:
    """Σ_e terms[e][i_e] at [i_1, …, i_6], from a vector of P terms for each edge: [P] * 6."""
    total = terms[0]
    for term in terms[1:]:
        total = total[..., None] + term
    return total
