"""Cells as paths, one primitive's index per edge: which of them the constraints admit, and ENAS's controller of them.

A path's code is Σ_edges 7^index. With six edges no digit exceeds 6, so equal codes mean equal multisets of primitives,
and the constraints depend on nothing else. The code is additive over the edges as every count is.
"""

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ldnas.space.feasible_cells import FeasibleCells
from ldnas.space.genotype import EDGES, Genotype
from ldnas.space.network import weights_drawn_from

_BASE = len(EDGES) + 1
_HIDDEN = 64
_SPREAD = 0.1
_LARGEST_LOGIT = 2.5
_LEAST_LOG = -1e4  # far below what the logits allow; an entropy's 0 · log 0 is then 0 where a primitive is masked


def best_admitted(edge_weights: Tensor, cells: FeasibleCells) -> Genotype:
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


def multiset_codes(cells: FeasibleCells, length: int) -> Tensor:
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

    def __init__(self, cells: FeasibleCells) -> None:
        self._digits = _BASE ** torch.arange(len(cells.primitives))
        self._codes = [multiset_codes(cells, length) for length in range(1, len(EDGES) + 1)]

    def allowed(self, path: Tensor) -> Tensor:
        """Bool [M, P] for paths over the edges so far [M, E], 0 <= E < 6."""
        begun = self._digits[path].sum(dim=1)
        return torch.isin(begun[:, None] + self._digits, self._codes[path.shape[1]])


@dataclass(frozen=True, eq=False)
class SampledPaths:
    """Cells drawn from the controller.

    Attributes:
        paths: index of the primitive on each edge, int64 [M, 6].
        log_probabilities: log π(path; θ) [M], in nats, with their gradient.
        entropies: sum over the edges of the entropy of the distribution drawn from [M], in nats, with their gradient.
    """

    paths: Tensor
    log_probabilities: Tensor
    entropies: Tensor


class Controller(nn.Module):
    """π(path; θ): an LSTM that writes a cell, one primitive after the other.

    Pham et al., arXiv:1802.03268, section 2.2, over the six edges of our cell. Each step reads the embedding of the
    primitive drawn before it. Weights start uniformly in ±0.1 and logits are 2.5 · tanh(·), as in section 3.2; the
    temperature of 5 there, which slows learning, is left out for short searches. It runs on the CPU: it is tiny, and
    its draws are then the same whatever the supernet runs on.
    """

    def __init__(self, primitives: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(primitives + 1, _HIDDEN)  # the last one begins a cell
        self.cell = nn.LSTMCell(_HIDDEN, _HIDDEN)
        self.head = nn.Linear(_HIDDEN, primitives)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -_SPREAD, _SPREAD)

    def sample(self, count: int, generator: torch.Generator, mask: PathMask | None = None) -> SampledPaths:
        """`count` cells drawn independently.

        With a mask, a step draws only from the primitives after which an admitted cell can still be completed:
        their logits' softmax among themselves. Log-probabilities and entropies are those of that distribution, so
        REINFORCE stays exact, and no draw is discarded, as in rejection sampling.
        """
        previous = torch.full((count,), self.head.out_features)
        hidden = torch.zeros(count, _HIDDEN)
        memory = torch.zeros(count, _HIDDEN)
        drawn: list[Tensor] = []
        log_probabilities, entropies = torch.zeros(count), torch.zeros(count)
        for _ in EDGES:
            hidden, memory = self.cell(self.embedding(previous), (hidden, memory))
            logits = _LARGEST_LOGIT * torch.tanh(self.head(hidden))
            if mask is not None:
                path = torch.stack(drawn, dim=1) if drawn else torch.empty(count, 0, dtype=torch.int64)
                logits = logits.masked_fill(~mask.allowed(path), -torch.inf)
            logs = logits.log_softmax(dim=1)
            previous = torch.multinomial(logs.detach().exp(), 1, generator=generator)[:, 0]
            drawn.append(previous)
            log_probabilities = log_probabilities + logs.gather(1, previous[:, None])[:, 0]
            entropies = entropies - (logs.exp() * logs.clamp(min=_LEAST_LOG)).sum(dim=1)
        return SampledPaths(torch.stack(drawn, dim=1), log_probabilities, entropies)


def build_controller(primitives: int, *, seed: int) -> Controller:
    """A controller over so many primitives with fresh weights; equal arguments give equal weights."""
    with weights_drawn_from(seed):
        return Controller(primitives)


def _sum_over_edges(terms: list[Tensor]) -> Tensor:
    """Σ_e terms[e][i_e] at [i_1, …, i_6], from a vector of P terms for each edge: [P] * 6."""
    total = terms[0]
    for term in terms[1:]:
        total = total[..., None] + term
    return total
