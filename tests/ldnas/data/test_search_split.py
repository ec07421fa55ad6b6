"""Splits for a search whose own validation images are too few."""

import torch

from ldnas.data.search_split import search_splits
from ldnas.data.task_data import ImageSet


def numbered(start: int, classes: list[int]) -> ImageSet:
    """Images that carry their number in their first pixel."""
    images = torch.zeros(len(classes), 3, 8, 8, dtype=torch.uint8)
    images[:, 0, 0, 0] = torch.arange(start, start + len(classes))
    return ImageSet(images, torch.tensor(classes))


def test_few_validation_images_are_pooled_and_every_class_is_split_again() -> None:
    train, validation = numbered(0, [0] * 16 + [1] * 4), numbered(20, [0] * 4 + [1])
    splits = search_splits(train, validation, seed=1)
    assert len(splits) == 3
    for split in splits:
        seen = torch.cat([split.train.images, split.validation.images])[:, 0, 0, 0]
        assert sorted(seen.tolist()) == list(range(25))
        assert torch.bincount(split.validation.labels).tolist() == [8, 2]
    assert len({tuple(sorted(split.validation.images[:, 0, 0, 0].tolist())) for split in splits}) == 3


def test_enough_validation_images_stay_what_they_are() -> None:
    train, validation = numbered(0, [0, 1]), numbered(2, [0, 1] * 100)
    (split,) = search_splits(train, validation, seed=1)
    assert split.train is train
    assert split.validation is validation
