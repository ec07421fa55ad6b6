"""An untrained network that has met the target's images: the yardstick of the verdict `no_close_task`."""

import torch
from torch import nn

from ldnas.data.task_data import ImageSet
from ldnas.distance.observation import batches, draw

_BATCH = 64


def gather_batch_norm_statistics(network: nn.Module, images: ImageSet, *, samples: int = 1024) -> None:
    """Sets the running statistics of every batch norm to the averages over target images, and puts it in eval mode.

    At most `samples` images, drawn from a fixed constant, in batches of one size, since every batch weighs the same.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative average instead of an exponential one
    network.train()
    device = next(network.parameters()).device
    count = min(samples, len(images))
    whole_batches = max(count - count % _BATCH, min(count, _BATCH))
    with torch.no_grad():
        for inputs, _ in batches(draw(images, whole_batches, "statistics").to(device), _BATCH):
            network(inputs)
    network.eval()
