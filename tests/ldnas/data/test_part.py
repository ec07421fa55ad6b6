"""A part of a task's images has all of its classes; figures by hand."""

import torch

from ldnas.data.part import part_of_each_class
from ldnas.data.task_data import ImageSet


def images_of(*classes: int) -> ImageSet:
    """So many images of each class, whose one pixel is the number of the image."""
    labels = torch.repeat_interleave(torch.arange(len(classes)), torch.tensor(classes))
    return ImageSet(torch.arange(len(labels), dtype=torch.uint8).reshape(-1, 1, 1, 1), labels)


def test_a_part_has_the_same_share_of_every_class_and_one_image_at_least() -> None:
    whole = images_of(6, 3, 1)
    part = part_of_each_class(whole, 5, seed=0)
    numbers = part.images.flatten().long()
    assert len(numbers.unique()) == len(numbers)
    assert part.labels.equal(whole.labels[numbers])
    # Half of 6, half of 3 rounded to the even number, and one in place of half of 1.
    assert torch.bincount(part.labels).tolist() == [3, 2, 1]
    assert not part.images.equal(part_of_each_class(whole, 5, seed=1).images)


def test_as_many_images_as_there_are_stay_in_their_order() -> None:
    whole = images_of(2, 2)
    assert part_of_each_class(whole, 4, seed=0).images.equal(whole.images)
