"""One Fisher pass: a network, seen on the data of a target task, as the sums that distances need."""

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ldnas.data.preprocessing import normalise
from ldnas.data.task_data import ImageSet
from ldnas.distance.log_det import LogDetSummary
from ldnas.distance.probe import fit_probe
from ldnas.fisher import empirical_fisher_diagonal
from ldnas.networks.classifier import Classifier
from ldnas.recipe import Recipe
from ldnas.seeding import derive_seed

_BATCH = 64


def log_det_summary(network: Classifier, train: ImageSet, *, classes: int, recipe: Recipe) -> LogDetSummary:
    """The log-determinant sums of `network` on a target task's training images, by `recipe`.

    The images are drawn from a fixed constant, so every network of every task meets the same ones on a target.
    The network itself is left as it was.
    """
    device = next(network.parameters()).device
    probed = copy.deepcopy(network).eval().to(memory_format=torch.channels_last)
    probe_images = _draw(train, recipe.probe_images, "probe").to(device)
    with torch.no_grad():
        features = torch.cat([probed.features(inputs) for inputs, _ in _batches(probe_images)])
    probed.head = fit_probe(features, probe_images.labels, classes=classes, l2=recipe.probe_l2)
    fisher_images = _draw(train, recipe.samples, "fisher").to(device)
    diagonal = empirical_fisher_diagonal(probed, _batches(fisher_images), parameters=probed.backbone_parameters())
    return LogDetSummary.of(diagonal, damping=recipe.damping)


def gather_batch_norm_statistics(network: nn.Module, train: ImageSet, *, samples: int = 1024) -> None:
    """Sets the running statistics of every batch norm to the averages over target images; leaves eval mode behind.

    At most `samples` images, drawn from a fixed constant, in batches of one size, since every batch weighs the same.
    An untrained network prepared so is the yardstick of the verdict `no_close_task`.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative average instead of an exponential one
    network.train()
    device = next(network.parameters()).device
    count = min(samples, len(train))
    whole_batches = max(count - count % _BATCH, min(count, _BATCH))
    with torch.no_grad():
        for inputs, _ in _batches(_draw(train, whole_batches, "statistics").to(device)):
            network(inputs)
    network.eval()


def _draw(images: ImageSet, count: int, purpose: str) -> ImageSet:
    if len(images) <= count:
        return images
    generator = torch.Generator().manual_seed(derive_seed(0, "distance", purpose))
    return images.subset(torch.randperm(len(images), generator=generator)[:count].sort().values)


def _batches(images: ImageSet) -> Iterator[tuple[Tensor, Tensor]]:
    for inputs, labels in zip(images.images.split(_BATCH), images.labels.split(_BATCH), strict=True):
        yield normalise(inputs).contiguous(memory_format=torch.channels_last), labels
