"""Measures whether images may be mirrored, because data sets do not say so.

A mirrored photograph of a cat still shows a cat; a mirrored digit, letter or traffic sign may show something else.
"""

import torch
from torch import nn

from ldnas.data.task_data import ImageSet
from ldnas.intervals import wilson_interval
from ldnas.networks.build import build_network
from ldnas.seeding import derive_seed
from ldnas.training.evaluation import evaluate
from ldnas.training.micro_batches import MicroBatches
from ldnas.training.train import TrainConfig, fit

LARGEST_LOSS = 0.1
"""The share of recognised images that mirroring may lose."""

EXAMINATION = TrainConfig(epochs=2, minimum_steps=100)
"""The training of the small network on the `examined` images."""

_TRAIN_IMAGES = 2000
_SIDE = 32


def is_colour(images: ImageSet) -> bool:
    """Whether any pixel is not grey."""
    return bool((images.images != images.images[:, :1]).any())


def mirroring_keeps_class(
    train: ImageSet, validation: ImageSet, *, seed: int, micro_batches: MicroBatches | None = None
) -> bool:
    """Whether a network that has never seen a mirrored image recognises the mirror images too.

    A small network learns up to 2000 training images as they are, at 32 pixels at most; see `recognises_mirrored`.

    Raises:
        OutOfMemoryError: memory does not suffice for the fewest images that the network can train on.
    """
    micro_batches = micro_batches or MicroBatches()
    train, validation = examined(train, seed=seed), _small(validation)
    classes = int(torch.cat([train.labels, validation.labels]).max()) + 1
    network = build_network("small_cnn", classes=classes, seed=derive_seed(seed, "mirror network"))
    network.to(train.labels.device)
    fit(network, train, config=EXAMINATION, seed=seed, micro_batches=micro_batches)
    return recognises_mirrored(network, validation, micro_batches=micro_batches)


def recognises_mirrored(network: nn.Module, validation: ImageSet, *, micro_batches: MicroBatches | None = None) -> bool:
    """Whether a network that has learned images as they are, in eval mode, recognises the mirror images too.

    Of the validation images that it recognises, at least 1 - `LARGEST_LOSS` must be recognised mirrored, within the
    95 % interval for their number; so a few images prevent the flip only if they are clearly against it. If the network
    recognises nothing, the answer is no.
    """
    labels = validation.labels.cpu()
    mirrored = ImageSet(validation.images.flip(3), validation.labels)
    right = evaluate(network, validation, micro_batches=micro_batches).predictions == labels
    right_mirrored = evaluate(network, mirrored, micro_batches=micro_batches).predictions == labels
    recognised = int(right.sum())
    if recognised == 0:
        return False
    # Both ways, so that an image at the boundary of two classes favours neither side.
    kept = min(1.0, int(right_mirrored.sum()) / recognised)
    return wilson_interval(kept, recognised)[1] >= 1 - LARGEST_LOSS


def examined(train: ImageSet, *, seed: int) -> ImageSet:
    """The training images that the network learns: up to 2000, at 32 pixels at most."""
    some = torch.randperm(len(train), generator=torch.Generator().manual_seed(derive_seed(seed, "mirror")))
    return _small(train.subset(some[:_TRAIN_IMAGES].to(train.labels.device)))


def _small(images: ImageSet) -> ImageSet:
    side = images.images.shape[-1]
    if side <= _SIDE:
        return images
    smaller = torch.nn.functional.interpolate(images.images.float(), size=(_SIDE, _SIDE), mode="area")
    return ImageSet(smaller.round().to(torch.uint8), images.labels)
