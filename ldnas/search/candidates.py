"""Candidates under training: networks that see the same batches side by side."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ldnas.data.preprocessing import normalise
from ldnas.search.base import SearchProblem
from ldnas.search.results import ScoredGenotype
from ldnas.search.tensors import load_optimizer_tensors, optimizer_tensors, tensors_from_json, tensors_to_json
from ldnas.seeding import derive_seed
from ldnas.space.genotype import Genotype
from ldnas.space.network import CellNetwork, build_cell_network
from ldnas.training.train import evaluate_logits, predict_logits, shuffled_batches

_MOMENTUM = 0.1
_AVERAGED_BATCHES = 10
_OPTIMIZER = "adam"


@dataclass(eq=False)
class Candidate:
    """A genotype's network with the optimizer of its weights, and the passes over the training images it has had."""

    genotype: Genotype
    network: CellNetwork
    optimizer: torch.optim.Optimizer
    epochs: int = 0

    def to_json(self) -> dict[str, Any]:
        """All that training changed, as a JSON value."""
        tensors = dict(self.network.state_dict()) | optimizer_tensors(self.optimizer, _OPTIMIZER)
        return {"epochs": self.epochs, "tensors": tensors_to_json(tensors)}

    def load(self, value: Mapping[str, Any]) -> None:
        """Resume, bit for bit, from the `to_json` of a candidate of the same genotype and skeleton."""
        tensors = tensors_from_json(value["tensors"])
        self.network.load_state_dict({name: tensors[name] for name in self.network.state_dict()})
        load_optimizer_tensors(self.optimizer, _OPTIMIZER, tensors)
        self.epochs = value["epochs"]
        _set_momentum(self.network, _MOMENTUM)


def fresh_candidates(
    genotypes: Sequence[Genotype], problem: SearchProblem, *, learning_rate: float, seed: int
) -> list[Candidate]:
    """A network with fresh weights for every genotype, on the device of the training images, and its Adam.

    The candidate at position c takes its weights from `derive_seed(seed, "weights", c)`.
    """
    device = problem.compute.device
    candidates = []
    for position, genotype in enumerate(genotypes):
        network = build_cell_network(genotype, problem.skeleton, seed=derive_seed(seed, "weights", position))
        # Depthwise and pointwise convolutions over few channels run faster with the channels innermost.
        network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        # A running average that starts from (0, 1) is still far off after the few steps that a candidate gets before
        # it is judged in eval mode: the first batches are averaged evenly instead.
        _set_momentum(network, None)
        optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate, fused=True)
        candidates.append(Candidate(genotype, network, optimizer))
    return candidates


def train_epoch(
    candidates: Sequence[Candidate],
    problem: SearchProblem,
    loss_of: Callable[[Tensor, Tensor], Tensor],
    *,
    batch_size: int,
    seed: int,
) -> None:
    """One pass over the training images, each batch loaded once and shown to all candidates.

    Args:
        loss_of: computes the loss, a scalar mean over the images, from the logits [C, B, K] and the labels [B].
        seed: decides the order of the images.
    """
    generator = torch.Generator().manual_seed(seed)
    together = nn.ModuleList([candidate.network for candidate in candidates])

    def mean_loss(chosen: Tensor) -> Tensor:
        inputs = normalise(problem.train.images[chosen]).contiguous(memory_format=torch.channels_last)
        logits = torch.stack([candidate.network(inputs) for candidate in candidates])
        return loss_of(logits, problem.train.labels[chosen])

    for candidate in candidates:
        candidate.network.train()
    for step, chosen in enumerate(shuffled_batches(problem.train, batch_size, generator)):
        if step == _AVERAGED_BATCHES:
            for candidate in candidates:
                _set_momentum(candidate.network, _MOMENTUM)
        size = problem.skeleton.image_size
        problem.compute.micro_batches.backward(together, (chosen,), mean_loss, image_size=size)
        for candidate in candidates:
            candidate.optimizer.step()
    for candidate in candidates:
        _set_momentum(candidate.network, _MOMENTUM)
        candidate.epochs += 1


def own_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Sum over the candidates of each one's own cross-entropy, in nats: every network trains as if it were alone.

    Args:
        logits: [C, N, K].
        labels: [N].
    """
    count, _, classes = logits.shape
    return count * F.cross_entropy(logits.reshape(-1, classes), labels.repeat(count))


def validation_logits(candidates: Sequence[Candidate], problem: SearchProblem) -> Tensor:
    """Logits [C, N, K] of every candidate on the validation images, in eval mode, without gradients."""
    return torch.stack(
        [
            predict_logits(candidate.network, problem.validation, micro_batches=problem.compute.micro_batches)
            for candidate in candidates
        ]
    )


def scores_of(candidates: Sequence[Candidate], logits: Tensor, labels: Tensor) -> tuple[ScoredGenotype, ...]:
    """Each candidate's own scores from its validation logits [C, N, K] and the labels [N]."""
    scores = []
    for candidate, own_logits in zip(candidates, logits.cpu(), strict=True):
        evaluation = evaluate_logits(own_logits, labels.cpu())
        scores.append(
            ScoredGenotype(candidate.genotype, evaluation.accuracy, evaluation.balanced_accuracy, candidate.epochs)
        )
    return tuple(scores)


def _set_momentum(network: nn.Module, momentum: float | None) -> None:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = momentum
