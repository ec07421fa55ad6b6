"""Limits the number of images that go through a network at once when memory does not suffice for a whole batch."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor, nn

from ldnas.training.out_of_memory import free_memory, is_out_of_memory, too_large

T = TypeVar("T")


class MicroBatches:
    """The most images that go through a network at a time: as many as there are until memory runs out, then half.

    A caller that runs a network passes its work to `run` or `backward`. One object serves a whole job, so that a limit
    found in one stage holds for the stages after it. While memory suffices, it changes no result.

    A batch norm that takes its statistics from the images needs two of them: parts are then never smaller, and an odd
    last image joins its neighbours.

    Args:
        largest: images at a time from the start; None for no limit.
        on_halved: called with the new number each time that memory ran out. An exception from it ends the work.
    """

    def __init__(self, largest: int | None = None, on_halved: Callable[[int], None] | None = None) -> None:
        self._largest = largest
        self._on_halved = on_halved

    @property
    def largest(self) -> int | None:
        """The most images at a time; None while memory has sufficed for all batches."""
        return self._largest

    def run(self, most: int, attempt: Callable[[int], T], *, network: nn.Module, image_size: int) -> T:
        """Call `attempt` with the number of images to take at a time, halved whenever memory runs out; return its
        result.

        Args:
            most: images at a time if memory suffices, at least one.
            attempt: may be called again from the start, so it must undo the unfinished work of an earlier call.
            network: the network that the images go through; several networks side by side are a `ModuleList`.
            image_size: S of the images, in pixels.

        Raises:
            OutOfMemoryError: memory does not suffice for the fewest images possible.
        """
        size = most
        if self._largest is not None and self._largest < most:
            size = min(most, max(self._largest, _fewest(network)))
        while True:
            try:
                return attempt(size)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                complaint = str(error)
            # The error's traceback holds tensors, which are freed only after the error is gone.
            free_memory()
            if size <= _fewest(network):
                raise too_large(complaint, f"{_images(size, image_size)} and {_networks(network)}")
            size = max(_fewest(network), size // 2)
            self._largest = size
            if self._on_halved is not None:
                self._on_halved(size)

    def backward(
        self, network: nn.Module, batch: Sequence[Tensor], mean_loss: Callable[..., Tensor], *, image_size: int
    ) -> None:
        """Set the gradients of the network's parameters to those of the mean loss over a batch.

        Where the batch is taken in parts, the parts' gradients add up, each weighted by its share of the images: for a
        network without batch norm they are those of the whole batch.

        Args:
            batch: tensors [B, …] whose rows belong together, such as inputs and labels, or the images' numbers.
            mean_loss: computes the mean loss of such tensors with B or fewer rows, with its graph.

        Raises:
            OutOfMemoryError: memory does not suffice for the fewest images possible.
        """

        def attempt(size: int) -> None:
            network.zero_grad(set_to_none=True)
            parts = _parts(batch, size)
            with _averages_over_whole_batches(network, len(parts)):
                for share, part in parts:
                    (mean_loss(*part) * share).backward()

        self.run(len(batch[0]), attempt, network=network, image_size=image_size)


@dataclass(frozen=True)
class Compute:
    """Where networks run, and how many images go through them at a time.

    Attributes:
        device: holds the networks and their images.
        micro_batches: shared by all that runs there, since its limit holds for the rest of a job.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    micro_batches: MicroBatches = field(default_factory=MicroBatches)


def even_parts(batch: Tensor, size: int) -> tuple[Tensor, ...]:
    """A batch [B, …] in as few parts of at most `size` rows as possible, all equal give or take a row.

    One part may have an extra row, so that no part has a single row, unless `size` is 1.
    """
    if len(batch) <= size:
        return (batch,)
    return batch.tensor_split(min(math.ceil(len(batch) / size), len(batch) // min(size, 2)))


def gradient_in_parts(
    batch: Sequence[Tensor], size: int, mean_loss: Callable[..., Tensor], inputs: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    """The gradients of the mean loss over a batch in `inputs`, from at most `size` rows at a time; see `backward`."""
    total: tuple[Tensor, ...] = ()
    for share, part in _parts(batch, size):
        own = torch.autograd.grad(mean_loss(*part) * share, inputs, materialize_grads=True)
        total = tuple(map(torch.add, total, own)) if total else own
    return total


def _parts(batch: Sequence[Tensor], size: int) -> list[tuple[float, tuple[Tensor, ...]]]:
    """The batch in parts, each with its share of the rows."""
    parts = zip(*(even_parts(tensor, size) for tensor in batch), strict=True)
    return [(len(part[0]) / len(batch[0]), part) for part in parts]


@contextmanager
def _averages_over_whole_batches(network: nn.Module, parts: int) -> Iterator[None]:
    """Make running averages of batch norms span as many images as if all `parts` of a batch went through at once."""
    before = {} if parts == 1 else {norm: norm.momentum for norm in _batch_norms(network)}
    for norm, momentum in before.items():
        if momentum is not None:
            norm.momentum = 1 - (1 - momentum) ** (1 / parts)
    try:
        yield
    finally:
        for norm, momentum in before.items():
            norm.momentum = momentum


def _fewest(network: nn.Module) -> int:
    """The fewest images that the network can take at a time in its present mode."""
    by_images = any(norm.training or norm.running_mean is None for norm in _batch_norms(network))
    return 2 if by_images else 1


def _batch_norms(network: nn.Module) -> Iterable[nn.modules.batchnorm._BatchNorm]:
    return (module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm))


def _images(count: int, size: int) -> str:
    return f"{count} {'image' if count == 1 else 'images'} of {size}x{size} pixels at a time"


def _networks(network: nn.Module) -> str:
    parameters = sum(parameter.numel() for parameter in network.parameters())
    if isinstance(network, nn.ModuleList):
        return f"{len(network)} networks of {parameters} parameters in all"
    return f"a {type(network).__name__} of {parameters} parameters"
