"""The exponential average of a network's weights over the steps of its training."""

import math
from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor, nn

from ldnas.data.preprocessing import normalise
from ldnas.data.task_data import ImageSet
from ldnas.training.micro_batches import MicroBatches, even_parts

_BATCH = 256


class WeightAverage:
    """w̄ ← decay·w̄ + (1 - decay)·w after each step, for every trainable parameter (Polyak & Juditsky 1992).

    Late in a one-cycle training the average is a better network than the last step's. An average over about `steps`
    steps has a decay of 1 - 1/steps.
    """

    def __init__(self, weights: Mapping[str, Tensor], *, steps: float) -> None:
        self._weights = {name: tensor.detach().clone() for name, tensor in weights.items()}
        self._share = 1 / max(1.0, steps)

    @classmethod
    def of(cls, network: nn.Module, *, steps: float, saved: Mapping[str, Tensor] | None) -> Self:
        """Start from the network's weights, or resume from a saved `state`."""
        own = dict(network.named_parameters())
        if saved is None:
            return cls(own, steps=steps)
        return cls({name: saved[name].to(parameter.device) for name, parameter in own.items()}, steps=steps)

    def state(self) -> dict[str, Tensor]:
        """The average so far, by parameter."""
        return self._weights

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Add the network's weights after a step to the average."""
        new = [parameter.detach() for _, parameter in network.named_parameters()]
        torch._foreach_lerp_(list(self._weights.values()), new, self._share)

    @torch.no_grad()
    def put_into(
        self, network: nn.Module, images: ImageSet, generator: torch.Generator, *, micro_batches: MicroBatches
    ) -> None:
        """Copy the average into the network, and recompute the statistics of its batch norms on `images`.

        The running statistics of the steps belong to other weights, so they are computed again, every batch with the
        same weight. The training images are not augmented here, like the inputs of the finished network.
        """
        network.load_state_dict(self._weights, strict=False)
        network.train()
        # A network may leave some in eval mode: those keep the statistics of another training.
        norms = [
            module
            for module in network.modules()
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.training
        ]
        if not norms:
            return
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.momentum = None
        order = torch.randperm(len(images), generator=generator).to(images.images.device)
        # Equal parts, so that no remainder of a few images weighs as much as a whole batch.
        most = math.ceil(len(images) / max(1, round(len(images) / _BATCH)))

        def attempt(size: int) -> None:
            for norm in norms:
                norm.reset_running_stats()
            for chosen in order.split(size) if size == most else even_parts(order, size):
                network(normalise(images.images[chosen]))

        micro_batches.run(most, attempt, network=network, image_size=images.images.shape[-1])
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
