"""Contact sheets and class sheets: the images that they show, their order and their size."""

import io
from dataclasses import replace

import numpy as np
import torch
from PIL import Image

from ldnas.data.class_counts import ClassCount
from ldnas.data.contact_sheet import SHOWN_CLASSES, class_sheet, contact_sheet
from ldnas.data.task_data import ImageSet, TaskData, TaskDigests


def data_of(labels: list[int], *, size: int = 8, names: int = 2) -> TaskData:
    """Images that are as bright as they are late: image i is 10 + i all over."""
    images = torch.arange(10, 10 + len(labels), dtype=torch.uint8).reshape(-1, 1, 1, 1).expand(-1, 3, size, size)
    train = ImageSet(images, torch.tensor(labels))
    others = ImageSet(torch.full_like(images, 255), train.labels)
    classes = tuple(ClassCount(f"c{i}", 1, 1, 1) for i in range(names))
    return TaskData(train, others, classes, TaskDigests("d", "m", "p"))


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


def test_images_lie_side_by_side_in_their_order_and_the_rest_of_the_last_row_is_black() -> None:
    images = np.zeros((3, 3, 4, 4), dtype=np.uint8)
    images[0, 0], images[1, 1], images[2, 2] = 255, 255, 255  # red, green, blue
    sheet = np.asarray(Image.open(io.BytesIO(contact_sheet(images, columns=2, pixels=4))))
    assert sheet.shape == (8, 8, 3)
    for row, column, colour in ((0, 0, (255, 0, 0)), (0, 4, (0, 255, 0)), (4, 0, (0, 0, 255)), (4, 4, (0, 0, 0))):
        assert (sheet[row : row + 4, column : column + 4] == colour).all()


def test_large_images_are_made_smaller() -> None:
    image = np.repeat(np.array([[[10]], [[20]], [[30]]], dtype=np.uint8)[None], 64, axis=2).repeat(64, axis=3)
    picture = Image.open(io.BytesIO(contact_sheet(image, columns=1, pixels=8)))
    assert picture.size == (8, 8)
    assert picture.getpixel((4, 4)) == (10, 20, 30)
