"""Validation images for a search, where a task's own are too few to choose by.

A choice among many candidates by 20 images fits those 20 images. Search and final training may share training and
validation images as they like; they never see the test images.
"""

from dataclasses import dataclass

import torch

from ldnas.data.task_data import ImageSet
from ldnas.seeding import derive_seed

ENOUGH_IMAGES = 200
ENOUGH_OF_A_CLASS = 20
VALIDATION_SHARE = 0.4


@dataclass(frozen=True, eq=False)
class SearchSplit:
    """Images that a search trains on, and those that it chooses by."""

    train: ImageSet
    validation: ImageSet


def is_enough(validation: ImageSet) -> bool:
    """Whether a search may choose by these images: 200 or more of them, 20 or more of every class that occurs."""
    counts = torch.bincount(validation.labels)
    return len(validation) >= ENOUGH_IMAGES and int(counts[counts > 0].min()) >= ENOUGH_OF_A_CLASS


def search_splits(train: ImageSet, validation: ImageSet, *, seed: int, repetitions: int = 3) -> tuple[SearchSplit, ...]:
    """The splits that a search repeats itself over.

    One, the task's own, where `is_enough(validation)`. Otherwise `repetitions` of them: training and validation images
    together, each time split again at random, 40 % of every class (rounded, one at least) for validation. Two equal
    images may end up in different parts, which the task's own split rules out.

    Args:
        train, validation: of the task, on the same device; every class has an image in each.
        seed: decides the draws; more repetitions leave the first ones as they are.
    """
    if is_enough(validation):
        return (SearchSplit(train, validation),)
    pool = ImageSet(torch.cat([train.images, validation.images]), torch.cat([train.labels, validation.labels]))
    return tuple(_draw(pool, derive_seed(seed, "search split", number)) for number in range(repetitions))


def _draw(pool: ImageSet, seed: int) -> SearchSplit:
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(pool), generator=generator).to(pool.labels.device)
    labels = pool.labels[order]
    chosen = torch.zeros(len(pool), dtype=torch.bool, device=labels.device)
    for label in labels.unique():
        places = (labels == label).nonzero().flatten()
        chosen[places[: max(1, round(VALIDATION_SHARE * len(places)))]] = True
    return SearchSplit(pool.subset(order[~chosen]), pool.subset(order[chosen]))
