"""The ways to the empirical Fisher diagonal that `fisher.py` sets side by side, each as a package's user would take it.

A way is prepared for a network once, before the timing begins. `REMARKS` lists the work that a package cannot do by
itself and that this module does for it; every other error of a package is recorded as its result.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils.data import DataLoader, TensorDataset

from ldnas.fisher import empirical_fisher_diagonal

Squares = dict[str, Tensor]
"""Parameter name → mean over the batch of its squared per-sample gradients."""
Run = Callable[[Tensor, Tensor], Squares]
"""(images [N, C, H, W], labels [N]) → squares."""

SAMPLES_PER_CHUNK = 8

REMARKS = {
    "torch.func": f"vmap(grad) over {SAMPLES_PER_CHUNK} samples at a time",
    "BackPACK": "SumGradSquared; nothing changed in place, dilated convolutions as nn.Conv2d",
    "Opacus": "GradSampleModule, its gradients squared; as it is off in eval mode and has no rule for batch norm, the "
    "network is in training mode with batch norms that keep to their running statistics and have a rule of their own; "
    "nothing changed in place, dilated convolutions as nn.Conv2d",
    "nngeometry": "diagonal of the regression Fisher of log p(y|x); dilated convolutions as nn.Conv2d",
}


def ldnas(network: nn.Module) -> Run:
    """This repository's engine."""
    return lambda images, labels: dict(empirical_fisher_diagonal(network, [(images, labels)]).blocks)


def per_sample_loop(network: nn.Module) -> Run:
    """One forward and backward pass per sample."""
    parameters = dict(network.eval().named_parameters())

    def run(images: Tensor, labels: Tensor) -> Squares:
        sums = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
        for row in range(len(images)):
            loss = F.cross_entropy(network(images[row : row + 1]), labels[row : row + 1])
            gradients = torch.autograd.grad(loss, list(parameters.values()))
            for name, gradient in zip(parameters, gradients, strict=True):
                sums[name].addcmul_(gradient, gradient)
        return {name: block / len(images) for name, block in sums.items()}

    return run


def torch_func(network: nn.Module) -> Run:
    """`vmap(grad)`; the squares of a chunk are summed before the next begins, else every gradient would be kept."""
    network.eval()
    parameters = {name: parameter.detach() for name, parameter in network.named_parameters()}
    buffers = dict(network.named_buffers())

    def loss(parameters: Squares, image: Tensor, label: Tensor) -> Tensor:
        logits = torch.func.functional_call(network, (parameters, buffers), (image.unsqueeze(0),))
        return F.cross_entropy(logits, label.unsqueeze(0))

    gradients_of = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))

    def run(images: Tensor, labels: Tensor) -> Squares:
        sums = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
        chunks = zip(images.split(SAMPLES_PER_CHUNK), labels.split(SAMPLES_PER_CHUNK), strict=True)
        for some_images, some_labels in chunks:
            for name, gradients in gradients_of(parameters, some_images, some_labels).items():
                sums[name] += gradients.square().sum(0)
        return {name: block / len(images) for name, block in sums.items()}

    return run


def backpack(network: nn.Module) -> Run:
    """BackPACK's extension `SumGradSquared`."""
    from backpack import backpack as extended_pass
    from backpack import extend
    from backpack.extensions import SumGradSquared

    network = extend(_as_listed_modules(network).eval())
    loss_of = extend(nn.CrossEntropyLoss(reduction="sum"))

    def run(images: Tensor, labels: Tensor) -> Squares:
        network.zero_grad()
        with extended_pass(SumGradSquared()):
            with _OutOfPlace():
                loss = loss_of(network(images), labels)
            loss.backward()
        return {name: parameter.sum_grad_squared / len(images) for name, parameter in network.named_parameters()}

    return run


def opacus(network: nn.Module) -> Run:
    """The per-sample gradients of Opacus' `GradSampleModule`, squared."""
    import opacus.grad_sample

    opacus.grad_sample.register_grad_sampler(_StillBatchNorm)(_batch_norm_gradients)
    network = _as_listed_modules(network).train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.__class__ = _StillBatchNorm
    wrapped = opacus.grad_sample.GradSampleModule(network, loss_reduction="sum", strict=False)

    def run(images: Tensor, labels: Tensor) -> Squares:
        wrapped.zero_grad()
        with _OutOfPlace():
            loss = F.cross_entropy(wrapped(images), labels, reduction="sum")
        loss.backward()
        squares = {}
        for name, parameter in network.named_parameters():
            squares[name] = parameter.grad_sample.square().mean(0)
            parameter.grad_sample = None
        return squares

    return run


def nngeometry(network: nn.Module) -> Run:
    """nngeometry's diagonal; its regression variant squares the gradients of whatever function it is given."""
    from nngeometry.layercollection import LayerCollection
    from nngeometry.metrics import FIM
    from nngeometry.object.pspace import PMatDiag

    network = _as_listed_modules(network).eval()
    layers = LayerCollection.from_model(network)
    modules = dict(network.named_modules())

    def log_likelihood(images: Tensor, labels: Tensor) -> Tensor:
        return network(images).log_softmax(1).gather(1, labels.unsqueeze(1))

    def run(images: Tensor, labels: Tensor) -> Squares:
        loader = DataLoader(TensorDataset(images, labels), batch_size=len(images))
        device = str(images.device)
        diagonal = FIM(network, loader, PMatDiag, "regression", device, log_likelihood, layers).get_diag()
        squares = {}
        for name, start in layers.p_pos.items():
            for kind, parameter in modules[name].named_parameters(recurse=False):
                squares[f"{name}.{kind}"] = diagonal[start : start + parameter.numel()].view_as(parameter)
                start += parameter.numel()
        return squares

    return run


WAYS: dict[str, tuple[str | None, Callable[[nn.Module], Run]]] = {
    "ldnas": (None, ldnas),
    "per-sample loop": (None, per_sample_loop),
    "torch.func": (None, torch_func),
    "BackPACK": ("backpack", backpack),
    "Opacus": ("opacus", opacus),
    "nngeometry": ("nngeometry", nngeometry),
}
"""Name → (the package it needs besides torch, how it is prepared for a network)."""


class _StillBatchNorm(nn.BatchNorm2d):
    """A batch norm that uses its running statistics in training mode too, and leaves them alone."""

    def forward(self, input: Tensor) -> Tensor:
        return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


def _batch_norm_gradients(layer: nn.BatchNorm2d, activations: list[Tensor], backprops: Tensor) -> dict[Tensor, Tensor]:
    normalised = F.batch_norm(activations[0], layer.running_mean, layer.running_var, eps=layer.eps)
    return {layer.weight: (normalised * backprops).sum((2, 3)), layer.bias: backprops.sum((2, 3))}


def _as_listed_modules(network: nn.Module) -> nn.Module:
    """Put torch's own convolution in the place of our dilated one, equal to it in eval mode.

    The packages know a module by its exact class.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.__class__ = nn.Conv2d
    return network


class _OutOfPlace(TorchFunctionMode):
    """Networks that add and rectify in place do it out of place: a module's output with a hook does not bear it."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is F.relu:
            return torch.relu(args[0])
        if func is Tensor.add_:  # what `a += b` calls, which then takes the sum returned here
            return args[0] + args[1]
        return func(*args, **(kwargs or {}))
