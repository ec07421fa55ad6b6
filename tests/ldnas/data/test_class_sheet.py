"""The picture of a task's training images."""

import io
from dataclasses import replace

import numpy as np
import torch
from PIL import Image

from ldnas.data.class_sheet import SHOWN_CLASSES, class_sheet
from ldnas.data.task_data import ImageSet, SplitCounts, TaskData, TaskDigests


def data_of(labels: list[int], *, size: int = 8, names: int = 2) -> TaskData:
    """Images that are as bright as they are late: image i is 10 + i all over."""
    images = torch.arange(10, 10 + len(labels), dtype=torch.uint8).reshape(-1, 1, 1, 1).expand(-1, 3, size, size)
    train = ImageSet(images, torch.tensor(labels))
    others = ImageSet(torch.full_like(images, 255), train.labels)
    counts = SplitCounts(len(labels), len(labels), 0)
    return TaskData(train, others, tuple(f"c{i}" for i in range(names)), TaskDigests("d", "m", "p"), counts)


def cells_of(png: bytes, size: int) -> np.ndarray:
    """The brightness in the middle of each cell; `[classes, 8]`."""
    return np.asarray(Image.open(io.BytesIO(png)))[size // 2 :: size, size // 2 :: size, 0]


def test_each_class_has_a_row_of_its_first_training_images() -> None:
    sheet = class_sheet(data_of([0, 1, 0, 0, 1, *[0] * 9]))
    assert cells_of(sheet, 8).tolist() == [
        [10, 12, 13, 15, 16, 17, 18, 19],
        [11, 14, 0, 0, 0, 0, 0, 0],
    ]


def test_large_images_are_shown_smaller_and_small_ones_as_they_are() -> None:
    for size, cell in ((8, 8), (64, 64), (128, 64)):
        assert Image.open(io.BytesIO(class_sheet(data_of([0, 1], size=size)))).size == (8 * cell, 2 * cell)


def test_of_many_classes_the_first_are_shown() -> None:
    many = data_of(list(range(SHOWN_CLASSES + 5)), names=SHOWN_CLASSES + 5)
    assert cells_of(class_sheet(many), 8).shape == (SHOWN_CLASSES, 8)


def test_equal_images_make_equal_bytes_and_others_do_not() -> None:
    data = data_of([0, 1])
    assert class_sheet(data) == class_sheet(data_of([0, 1]))
    darker = ImageSet(data.train.images - 1, data.train.labels)
    assert class_sheet(replace(data, train=darker)) != class_sheet(data)
