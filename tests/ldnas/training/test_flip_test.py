"""The flip test: whether images may be mirrored."""

import pytest
import torch
from torch import Tensor, nn

from ldnas.data.task_data import ImageSet
from ldnas.training import final
from ldnas.training.flip_test import is_colour, mirroring_keeps_class


def sided_images(count: int, *, by_side: bool, seed: int) -> ImageSet:
    """Noise with a red square: its side is the class, or its height is."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 60, (count, 3, 12, 12), generator=generator, dtype=torch.uint8)
    labels = torch.arange(count) % 2
    others = torch.randint(0, 2, (count,), generator=generator).tolist()
    for image, label, other in zip(images, labels.tolist(), others, strict=True):
        down, right = (other, label) if by_side else (label, other)
        image[0, 1 + 6 * down : 5 + 6 * down, 1 + 6 * right : 5 + 6 * right] = 250
    return ImageSet(images, labels)


def test_one_pixel_that_is_not_grey_makes_colour() -> None:
    grey = torch.randint(0, 256, (3, 1, 4, 4), dtype=torch.uint8).repeat(1, 3, 1, 1)
    assert not is_colour(ImageSet(grey, torch.zeros(3, dtype=torch.int64)))
    grey[2, 1, 3, 3] += 1
    assert is_colour(ImageSet(grey, torch.zeros(3, dtype=torch.int64)))


@pytest.mark.parametrize("by_side", [True, False])
def test_classes_that_differ_by_their_side_are_not_mirrored(by_side: bool) -> None:
    train, validation = (sided_images(count, by_side=by_side, seed=count) for count in (80, 40))
    assert mirroring_keeps_class(train, validation, seed=0) is not by_side


def test_a_network_that_recognises_nothing_shows_nothing_so_images_are_not_mirrored() -> None:
    train, validation = (sided_images(count, by_side=False, seed=count) for count in (80, 40))
    # The validation labels are swapped, so that a network that learned the height is always wrong.
    turned = ImageSet(validation.images, 1 - validation.labels)
    assert not mirroring_keeps_class(train, turned, seed=0)


class Brighter(nn.Module):
    """Class 1 where the second half along an axis of the image is brighter than the first one."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))
        self._axis = axis

    def forward(self, inputs: Tensor) -> Tensor:
        first, second = (half.mean(dim=(1, 2, 3)) for half in inputs.chunk(2, dim=self._axis))
        return torch.stack([first, second], dim=1)


@pytest.mark.parametrize("by_side", [True, False])
def test_a_network_that_has_learned_the_images_spares_the_training(
    by_side: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(final, "mirroring_keeps_class", lambda *arguments, **options: pytest.fail("trained for it"))
    images = sided_images(40, by_side=by_side, seed=0)
    learned = final.Learned(Brighter(3 if by_side else 2), images)
    assert final.data_facts(images, images, classes=2, seed=0, learned=learned).mirrors is not by_side


def test_grey_images_are_never_mirrored_and_cost_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(final, "mirroring_keeps_class", lambda *arguments, **options: pytest.fail("trained for it"))
    images = sided_images(10, by_side=False, seed=0)
    grey = ImageSet(images.images[:, :1].repeat(1, 3, 1, 1), images.labels)
    assert not final.data_facts(grey, grey, classes=2, seed=0).mirrors
