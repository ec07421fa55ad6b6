"""Batch norm statistics for an untrained network on the target's images: the reference of `no_close_task`."""

import torch
from torch import nn

from ldnas.data.preprocessing import normalise
from ldnas.data.task_data import ImageSet
from ldnas.distance.observation import draw
from ldnas.training.micro_batches import MicroBatches, even_parts

_BATCH = 64


def gather_batch_norm_statistics(
    network: nn.Module, images: ImageSet, *, samples: int = 1024, micro_batches: MicroBatches | None = None
) -> None:
    """Set the running statistics of every batch norm to the averages over target images, and switch to eval mode.

    At most `samples` images, drawn from a fixed constant, in batches of one size, since every batch weighs the same.

    Raises:
        OutOfMemoryError: memory does not suffice for the fewest images that the network can take.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.momentum = None  # a cumulative average instead of an exponential one
    network.train()
    device = next(network.parameters()).device
    count = min(samples, len(images))
    whole_batches = max(count - count % _BATCH, min(count, _BATCH))
    drawn = draw(images, whole_batches, "statistics").to(device).images

    @torch.no_grad()
    def attempt(size: int) -> None:
        for norm in norms:
            norm.reset_running_stats()
        for part in even_parts(drawn, size):
            network(normalise(part).contiguous(memory_format=torch.channels_last))

    most = min(_BATCH, len(drawn))
    (micro_batches or MicroBatches()).run(most, attempt, network=network, image_size=drawn.shape[-1])
    network.eval()
