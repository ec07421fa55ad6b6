"""The controller of ENAS: an LSTM that writes a cell, one primitive after the other."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ldnas.search.paths import PathMask
from ldnas.space.genotype import EDGES
from ldnas.space.network import weights_drawn_from

_HIDDEN = 64
_SPREAD = 0.1
_LARGEST_LOGIT = 2.5
_LEAST_LOG = -1e4  # far below what the logits allow; an entropy's 0 · log 0 is then 0 where a primitive is masked


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
    """π(path; θ): Pham et al., arXiv:1802.03268, section 2.2, over the six edges of our cell.

    Each step reads the embedding of the primitive drawn before it. Weights start uniformly in ±0.1 and logits are
    2.5 · tanh(·), as in section 3.2; the temperature of 5 there, which slows learning, is left out for short searches.
    It runs on the CPU: it is tiny, and its draws are then the same whatever the supernet runs on.
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
