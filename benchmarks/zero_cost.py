"""Zero-cost scores: they rate a network by one minibatch before any training.

A higher score is better, and only the order among networks of one skeleton is meaningful. The networks of our
cells have one activation, ReLU: before every convolution of an operation or a reduction, and before the pooling.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from ldnas.data.preprocessing import normalise
from ldnas.errors import InvalidSearchError
from ldnas.search.base import SearchProblem
from ldnas.seeding import derive_seed
from ldnas.space.genotype import Genotype
from ldnas.space.network import build_cell_network

MINIBATCH = 64
"""The default number of images that a screening uses."""


class ZeroCostScore(StrEnum):
    """The scores by name."""

    SYNFLOW = "synflow"
    NASWOT = "naswot"
    GRADIENT_NORM = "gradient_norm"


def screen(
    genotypes: Sequence[Genotype],
    problem: SearchProblem,
    score: ZeroCostScore,
    keep: int,
    seed: int,
    *,
    batch_size: int = MINIBATCH,
) -> tuple[Genotype, ...]:
    """The `keep` genotypes of the highest score, best first; the earlier one where scores are equal.

    A genotype that is given twice counts once; a score that is not a number counts as the lowest.

    Raises:
        InvalidSearchError: `keep` or `batch_size` is not positive.
    """
    if keep < 1:
        raise InvalidSearchError(f"a screening keeps at least one candidate, not {keep}", field="search.keep")
    distinct = tuple(dict.fromkeys(genotypes))
    scores = zero_cost_scores(distinct, problem, score, seed, batch_size=batch_size)
    order = sorted(range(len(distinct)), key=lambda place: math.inf if math.isnan(scores[place]) else -scores[place])
    return tuple(distinct[place] for place in order[:keep])


def zero_cost_scores(
    genotypes: Sequence[Genotype],
    problem: SearchProblem,
    score: ZeroCostScore,
    seed: int,
    *,
    batch_size: int = MINIBATCH,
) -> tuple[float, ...]:
    """The score of every genotype's fresh network, all on the same random minibatch of training images.

    The weights depend on `seed` and the genotype, not on its place among the others. Where memory does not suffice, all
    of them see fewer images: scores of different minibatches do not compare.

    Raises:
        InvalidSearchError: `batch_size` is not positive.
    """
    if batch_size < 1:
        raise InvalidSearchError(f"a minibatch has at least one image, not {batch_size}", field="search.batch_size")
    generator = torch.Generator().manual_seed(derive_seed(seed, "zero_cost", "images"))
    chosen = torch.randperm(len(problem.train), generator=generator)[:batch_size]
    batch = problem.train.subset(chosen.to(problem.train.labels.device))
    inputs = normalise(batch.images)

    def build(genotype: Genotype) -> nn.Module:
        own_seed = derive_seed(seed, "zero_cost", "weights", genotype.digest)
        return build_cell_network(genotype, problem.skeleton, seed=own_seed).to(inputs.device)

    def attempt(size: int) -> tuple[float, ...]:
        return tuple(zero_cost_score(build(each), score, inputs[:size], batch.labels[:size]) for each in genotypes)

    if not genotypes:
        return ()
    run, size = problem.compute.micro_batches.run, problem.skeleton.image_size
    return run(len(inputs), attempt, network=build(genotypes[0]), image_size=size)


def zero_cost_score(network: nn.Module, score: ZeroCostScore, inputs: Tensor, labels: Tensor) -> float:
    """One score of a network on normalised images [N, 3, S, S] with labels [N]; the network does not change."""
    measures: dict[ZeroCostScore, Callable[[], float]] = {
        ZeroCostScore.SYNFLOW: lambda: synflow(network, tuple(inputs.shape[1:])),
        ZeroCostScore.NASWOT: lambda: naswot(network, inputs),
        ZeroCostScore.GRADIENT_NORM: lambda: gradient_norm(network, inputs, labels),
    }
    return measures[score]()


def synflow(network: nn.Module, image_shape: tuple[int, ...]) -> float:
    """How much signal flows through the weights, in [0, ∞), dimensionless; needs no data.

        R = 1ᵀ f(1; |θ|)        score = Σ_w |w| · ∂R/∂|w|

    Tanaka et al., arXiv:2006.05467 (the synaptic flow of one weight); its sum over a network as a score of
    architectures: Abdelfattah et al., arXiv:2101.08134. As in the latter's code, w runs over the weights of
    convolutions and linear layers, batch norms let everything pass, and all is in double precision: R is a product
    over the depth. The network runs in eval mode on one image of ones.

    Args:
        image_shape: (C, H, W).
    """
    names = _weight_names(network)
    tensors = {name: tensor.detach().double() for name, tensor in network.named_buffers()}
    tensors |= {name: tensor.detach().abs().double() for name, tensor in network.named_parameters()}
    weights = [tensors[name].requires_grad_() for name in names]
    ones = torch.ones(1, *image_shape, dtype=torch.float64, device=weights[0].device)
    with _mode(network, training=False), _without_batch_norm(network), torch.enable_grad():
        total = functional_call(network, tensors, (ones,)).sum()
        gradients = torch.autograd.grad(total, weights, materialize_grads=True)
    return float(sum((weight.detach() * flow).sum() for weight, flow in zip(weights, gradients, strict=True)))


def naswot(network: nn.Module, inputs: Tensor) -> float:
    """How well the ReLUs of an untrained network distinguish the images [N, 3, S, S], in nats; -∞ if two are alike.

        score = log |det K|,    K_ij = N_A - d_H(c_i, c_j)

    with c_i the code of image i: for each of the N_A units behind a ReLU whether it is positive; d_H counts the
    units that differ. Mellor et al., arXiv:2006.04647, Section 3. In training mode, as in their code, so batch
    norm uses the minibatch's statistics; the running ones stay as they are. K is summed in double precision.
    """
    codes = _ReluCodes(len(inputs))
    with _mode(network, training=True), torch.no_grad(), codes:
        functional_call(network, _copied_buffers(network), (inputs,))
    return float(torch.linalg.slogdet(codes.kernel).logabsdet)


def gradient_norm(network: nn.Module, inputs: Tensor, labels: Tensor) -> float:
    """Sum over the layers of the Euclidean norm of the loss's gradient, in nats per unit of weight, in [0, ∞).

        score = Σ_l ‖ ∂ mean_i CE(f(x_i), y_i) / ∂W_l ‖₂

    Abdelfattah et al., arXiv:2101.08134, Section 3.2; as in their code, W_l runs over the weights of convolutions and
    linear layers, and the network is in training mode: batch norm uses the minibatch's statistics, and the running
    ones stay as they are.

    Args:
        inputs: normalised images [N, 3, S, S].
        labels: their classes [N].
    """
    tensors = _copied_buffers(network) | {name: tensor.detach() for name, tensor in network.named_parameters()}
    weights = [tensors[name].requires_grad_() for name in _weight_names(network)]
    with _mode(network, training=True), torch.enable_grad():
        loss = F.cross_entropy(functional_call(network, tensors, (inputs,)), labels)
        gradients = torch.autograd.grad(loss, weights, materialize_grads=True)
    return float(sum(gradient.double().norm() for gradient in gradients))


class _ReluCodes(TorchDispatchMode):
    """Adds up K while a network runs: every ReLU is seen, be it a module or a function call.

    K_ij counts the units whose states agree: with states s in {-1, 1}, K = (N_A + s sᵀ) / 2 per ReLU.
    """

    def __init__(self, images: int) -> None:
        super().__init__()
        self.kernel = torch.zeros(images, images, dtype=torch.float64)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        if func in (torch.ops.aten.relu.default, torch.ops.aten.relu_.default):
            states = (output > 0).flatten(1).double() * 2 - 1
            self.kernel += ((states.shape[1] + states @ states.T) / 2).cpu()
        return output


def _weight_names(network: nn.Module) -> list[str]:
    """The weights of convolutions and linear layers, as `named_parameters` calls them."""
    layers = ((name, module) for name, module in network.named_modules() if isinstance(module, nn.Conv2d | nn.Linear))
    return [f"{name}.weight" if name else "weight" for name, _ in layers]


def _copied_buffers(network: nn.Module) -> dict[str, Tensor]:
    """Buffers for `functional_call` to write to in place of the network's own."""
    return {name: tensor.clone() for name, tensor in network.named_buffers()}


@contextmanager
def _mode(network: nn.Module, *, training: bool) -> Iterator[None]:
    """Put all modules into one mode, and restore each module's own mode afterwards."""
    before = {module: module.training for module in network.modules()}
    network.train(training)
    try:
        yield
    finally:
        for module, was_training in before.items():
            module.training = was_training


@contextmanager
def _without_batch_norm(network: nn.Module) -> Iterator[None]:
    """Every batch norm returns its input unchanged."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_hook(lambda _module, given, _output: given[0]) for norm in norms]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
