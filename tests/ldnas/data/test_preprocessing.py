import numpy as np
import pytest
import torch

from ldnas.data.preprocessing import PROXY, Preprocessing, default_image_size, normalise, to_tensor_images


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_mnist_is_padded_to_32_as_in_the_paper_and_its_pixels_stay():
    image = noise(28, 28, 1)
    prepared = to_tensor_images([image], PROXY)
    assert prepared.shape == (1, 3, 32, 32)
    assert prepared.dtype == torch.uint8
    for channel in prepared[0].numpy():
        np.testing.assert_array_equal(channel[2:30, 2:30], image[:, :, 0])
        assert channel.sum() == image.sum()  # the border is black


@pytest.mark.parametrize("side", [28, 29, 31, 32])
def test_sides_from_28_to_32_are_not_resized_at_32(side):
    image = noise(side, side, 3)
    prepared = to_tensor_images([image], PROXY)[0].numpy()
    top = (32 - side) // 2
    np.testing.assert_array_equal(prepared[:, top : top + side, top : top + side], image.transpose(2, 0, 1))


@pytest.mark.parametrize(("side", "size"), [(27, 32), (33, 32), (28, 48), (28, 16)])
def test_every_other_size_is_resized_to_the_whole_square(side, size):
    prepared = to_tensor_images([np.full((side, side, 1), 200, np.uint8)], Preprocessing(size))
    assert (prepared == 200).all()


def test_an_oblong_keeps_its_aspect_ratio_between_black_bars():
    prepared = to_tensor_images([np.full((8, 16, 3), 255, np.uint8)], Preprocessing(16))[0, 0]
    assert (prepared[4:12] == 255).all()
    assert (prepared[:4] == 0).all()
    assert (prepared[12:] == 0).all()
    upright = to_tensor_images([np.full((64, 32, 3), 255, np.uint8)], Preprocessing(32))[0, 0]
    assert (upright[:, 10:22] == 255).all()
    assert (upright[:, :7] == 0).all()
    assert (upright[:, 25:] == 0).all()


def test_shrinking_averages_instead_of_dropping_pixels():
    stripes = np.zeros((64, 64, 1), np.uint8)
    stripes[:, ::2] = 255
    prepared = to_tensor_images([stripes], Preprocessing(16))
    inner = prepared[0, 0, :, 1:-1].to(torch.float64)
    assert (inner - 127.5).abs().max() < 3


def test_enlarging_is_bilinear_between_pixel_centres():
    image = np.zeros((8, 8, 1), np.uint8)
    image[:, 4:] = 200
    row = to_tensor_images([image], Preprocessing(16))[0, 0, 0].tolist()
    # A new pixel's centre lies a quarter of an old pixel off: weights 3/4 and 1/4 around the step.
    assert row == [0] * 7 + [50, 150] + [200] * 7


def test_images_of_all_sizes_and_channels_come_out_in_order():
    images = [
        np.full((h, w, c), value, np.uint8) for value, (h, w, c) in enumerate([(9, 9, 1), (32, 32, 3), (50, 50, 1)])
    ]
    prepared = to_tensor_images(images, PROXY)
    assert [image.unique().tolist() for image in prepared] == [[0], [1], [2]]


def test_no_images_give_an_empty_tensor():
    assert to_tensor_images([], PROXY).shape == (0, 3, 32, 32)


def test_normalising_maps_bytes_onto_minus_one_to_one_and_keeps_its_input():
    images = torch.tensor([0, 51, 255], dtype=torch.uint8)
    assert normalise(images).tolist() == pytest.approx([-1, -0.6, 1])
    assert normalise(images).dtype == torch.float32
    assert images.tolist() == [0, 51, 255]


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [(8, 8, 16), (2, 3, 16), (28, 28, 32), (32, 32, 32), (20, 60, 64), (40, 40, 48), (56, 3, 64), (900, 500, 256)],
)
def test_the_default_size_is_the_nearest_rung(make_dataset, grey, height, width, size):
    images = [grey(number, height, width) for number in range(20)]
    assert default_image_size(make_dataset([10, 10], images=images)) == size


def test_the_default_size_follows_the_median_and_not_an_outlier(make_dataset, grey):
    images = [grey(number, 32, 32) for number in range(19)] + [grey(0, 1000, 1000)]
    assert default_image_size(make_dataset([10, 10], images=images)) == 32


def test_digests_differ_by_size_and_absurd_sizes_are_refused():
    assert Preprocessing(32).digest == PROXY.digest != Preprocessing(48).digest
    for size in (7, 257):
        with pytest.raises(ValueError, match="8 to 256"):
            Preprocessing(size)
