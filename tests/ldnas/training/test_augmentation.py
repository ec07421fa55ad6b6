"""Each change to a training image, on images made by hand."""

import math

import pytest
import torch
from torch import Tensor

from ldnas.training.augmentation import Augmentation

ALL = Augmentation(shift_pixels=2, rotation_degrees=20.0, zoom=0.3, flip=True, colour=0.3, erased=0.5)


def changed(augmentation: Augmentation, inputs: Tensor, seed: int = 0) -> Tensor:
    return augmentation.apply(inputs, torch.Generator().manual_seed(seed))


def random_images(count: int = 64, side: int = 8) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(1)) * 1.6 - 0.8


def test_nothing_happens_at_strength_0_and_nothing_is_drawn() -> None:
    generator = torch.Generator().manual_seed(3)
    before = generator.get_state()
    images = random_images()
    assert torch.equal(Augmentation().apply(images, generator), images)
    assert torch.equal(generator.get_state(), before)


def test_a_seed_decides_everything() -> None:
    images = random_images()
    assert torch.equal(changed(ALL, images, 5), changed(ALL, images, 5))
    assert not torch.equal(changed(ALL, images, 5), changed(ALL, images, 6))


def test_some_are_mirrored_left_to_right_and_the_others_stay() -> None:
    images = random_images()
    pairs = list(zip(images, changed(Augmentation(flip=True), images), strict=True))
    mirrored = [torch.equal(after, before.flip(2)) for before, after in pairs]
    stayed = [torch.equal(after, before) for before, after in pairs]
    assert [one != other for one, other in zip(mirrored, stayed, strict=True)] == [True] * 64
    assert 16 < sum(mirrored) < 48


def test_a_shift_moves_the_image_and_repeats_its_border() -> None:
    # A ramp from left to right that also counts downwards: the value of a pixel shows its origin.
    ramp = torch.arange(5.0).view(1, 1, 1, 5) + 10 * torch.arange(5.0).view(1, 1, 5, 1)
    seen = set()
    for image in changed(Augmentation(shift_pixels=1), ramp.expand(200, 3, 5, 5)):
        down, right = divmod(int(image[0, 2, 2]), 10)
        seen.add((down - 2, right - 2))
        rows = (torch.arange(5) + down - 2).clamp(0, 4)
        columns = (torch.arange(5) + right - 2).clamp(0, 4)
        assert torch.equal(image, ramp.expand(1, 3, 5, 5)[0][:, rows][:, :, columns])
    assert seen == {(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)}


def test_a_rotation_keeps_a_linear_ramp_linear_and_turns_its_slope() -> None:
    # Bilinear sampling is exact on a plane x: turned by a it is x·cos a - y·sin a, away from the border.
    side = 16
    x = (torch.arange(side) + 0.5) * 2 / side - 1
    plane = x.view(1, 1, 1, side).expand(50, 3, side, side)
    turned = changed(Augmentation(rotation_degrees=30.0), plane)
    across = (turned[:, 0, 8, 9] - turned[:, 0, 8, 8]) * side / 2
    down = (turned[:, 0, 9, 8] - turned[:, 0, 8, 8]) * side / 2
    assert torch.allclose(across**2 + down**2, torch.ones(50), atol=1e-4)
    angles = torch.atan2(down, across).abs() * 180 / math.pi
    assert angles.max() <= 30.01
    assert angles.max() > 20


def test_zoom_changes_the_scale_about_the_centre() -> None:
    side = 16
    x = (torch.arange(side) + 0.5) * 2 / side - 1
    plane = x.view(1, 1, 1, side).expand(50, 3, side, side)
    zoomed = changed(Augmentation(zoom=0.25), plane)
    scales = 1 / ((zoomed[:, 0, 8, 8] - zoomed[:, 0, 8, 7]) * side / 2)
    assert 0.749 < scales.min() < 0.85
    assert 1.15 < scales.max() < 1.251
    assert torch.allclose(zoomed[:, 0, 8, 7], -zoomed[:, 0, 8, 8], atol=1e-5)


def test_recolouring_follows_its_three_draws() -> None:
    images = random_images(4, 2) / 4
    draws = 0.2 * (2 * torch.rand(3, 4, generator=torch.Generator().manual_seed(9)) - 1)
    after = changed(Augmentation(colour=0.2), images, 9)
    for index, (contrast, saturation, brightness) in enumerate(draws.T.tolist()):
        grey = images[index].mean(dim=0)
        mean = grey.mean()
        for channel in range(3):
            coloured = grey + (1 + saturation) * (images[index, channel] - grey)
            expected = mean + (1 + contrast) * (coloured - mean) + brightness
            assert torch.allclose(after[index, channel], expected, atol=1e-6)


def test_recoloured_images_stay_in_their_range() -> None:
    bright = changed(Augmentation(colour=0.9), torch.full((32, 3, 2, 2), 0.9))
    assert bright.max() == 1.0
    assert bright.min() >= -1.0


def test_half_of_the_images_lose_a_rectangle_to_the_mean_grey_and_nothing_else() -> None:
    side = 10
    after = changed(Augmentation(erased=0.4), torch.ones(400, 3, side, side))
    assert set(after.unique().tolist()) == {0.0, 1.0}
    losers = 0
    for painted in after[:, 0] == 0:
        rows, columns = painted.any(dim=1), painted.any(dim=0)
        assert torch.equal(painted, rows[:, None] & columns)  # a rectangle
        assert max(int(rows.sum()), int(columns.sum())) <= 0.4 * side
        losers += bool(painted.any())
    assert torch.equal(after[:, 0], after[:, 2])
    assert 140 < losers < 220  # of 400; squares smaller than a pixel are lost between the pixels


@pytest.mark.parametrize("operation", ["shift_pixels", "rotation_degrees", "zoom", "flip", "colour", "erased"])
def test_each_operation_alone_keeps_shape_and_type(operation: str) -> None:
    images = random_images()
    after = changed(Augmentation(**{operation: getattr(ALL, operation)}), images)
    assert (after.shape, after.dtype) == (images.shape, images.dtype)
    assert not torch.equal(after, images)
