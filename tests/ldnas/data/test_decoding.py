import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from ldnas.data.decoding import decode_image
from ldnas.errors import BrokenImageError, ImageSizeError


def encoded(image: PillowImage.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that says how large it is and has no pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"")


def test_grey_stays_one_channel_and_colour_three():
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3)
    colour = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    np.testing.assert_array_equal(decode_image(encoded(PillowImage.fromarray(grey)), "x"), grey[:, :, None])
    np.testing.assert_array_equal(decode_image(encoded(PillowImage.fromarray(colour)), "x"), colour)


def test_black_and_white_becomes_0_and_255():
    bits = np.array([[True, False], [False, True]])
    assert decode_image(encoded(PillowImage.fromarray(bits)), "x").squeeze(-1).tolist() == [[255, 0], [0, 255]]


def test_an_alpha_channel_is_composited_over_white():
    pixels = np.zeros((2, 2, 4), dtype=np.uint8)
    pixels[:, :, 0] = 100  # red 100 under alpha 0, 255, 51 (a fifth)
    pixels[:, :, 3] = [[0, 255], [51, 51]]
    decoded = decode_image(encoded(PillowImage.fromarray(pixels)), "x")
    assert decoded[0, 0].tolist() == [255, 255, 255]
    assert decoded[0, 1].tolist() == [100, 0, 0]
    assert decoded[1, 0].tolist() == [224, 204, 204]  # 0.2 · 100 + 0.8 · 255 = 224; 0.8 · 255 = 204


def test_grey_with_alpha_is_composited_and_stays_grey():
    pixels = np.array([[[40, 0], [40, 255]]] * 2, dtype=np.uint8)
    assert decode_image(encoded(PillowImage.fromarray(pixels)), "x").tolist() == [[[255], [40]]] * 2


def test_a_palette_is_looked_up_and_its_transparent_entry_turns_white():
    image = PillowImage.new("P", (2, 2))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1, 1, 0])
    assert decode_image(encoded(image), "x")[0].tolist() == [[10, 20, 30], [40, 50, 60]]
    assert decode_image(encoded(image, transparency=1), "x")[0].tolist() == [[10, 20, 30], [255, 255, 255]]


def test_sixteen_bits_are_scaled_to_eight():
    values = np.array([[0, 65535], [257 * 100, 257 * 100 + 129]], dtype=np.uint16)
    for kind in ("PNG", "TIFF"):
        decoded = decode_image(encoded(PillowImage.fromarray(values), kind), "x")
        assert decoded.squeeze(-1).tolist() == [[0, 255], [100, 101]]


def test_exif_rotation_is_applied():
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    exif = PillowImage.Exif()
    exif[0x0112] = 6  # the camera was turned: show the rows as columns, from the right
    decoded = decode_image(encoded(PillowImage.fromarray(pixels), exif=exif), "x")
    np.testing.assert_array_equal(decoded.squeeze(-1), np.rot90(pixels, k=-1))


def test_a_path_is_decoded_like_its_bytes(tmp_path: Path):
    image = PillowImage.fromarray(np.arange(12, dtype=np.uint8).reshape(2, 2, 3))
    image.save(tmp_path / "a.bmp")
    np.testing.assert_array_equal(
        decode_image(tmp_path / "a.bmp", "a.bmp"), decode_image(encoded(image, "BMP"), "a.bmp")
    )


@pytest.mark.parametrize("content", [b"", b"no image", encoded(PillowImage.new("RGB", (64, 64)), "JPEG")[:400]])
def test_what_cannot_be_decoded_is_broken_and_named(content: bytes):
    with pytest.raises(BrokenImageError) as refusal:
        decode_image(content, "train.parquet row 17")
    assert refusal.value.origin == "train.parquet row 17"
    assert "train.parquet row 17" in refusal.value.message


def test_a_picture_cut_short_is_broken():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    content = encoded(PillowImage.fromarray(noise))
    with pytest.raises(BrokenImageError):
        decode_image(content[: len(content) // 2], "x")


@pytest.mark.parametrize("values", [np.ones((2, 2), np.float32), np.full((2, 2), 70_000, np.int32)])
def test_pixels_without_a_known_range_are_refused(values: np.ndarray):
    with pytest.raises(BrokenImageError, match="8- or 16-bit"):
        decode_image(encoded(PillowImage.fromarray(values), "TIFF"), "x")


def test_a_format_that_would_start_another_program_is_not_opened():
    with pytest.raises(BrokenImageError):
        decode_image(encoded(PillowImage.new("RGB", (4, 4)), "EPS"), "x")


@pytest.mark.parametrize(("width", "height"), [(1, 50), (50, 1), (8000, 5001), (12_000, 9000), (60_000, 60_000)])
def test_an_absurd_size_is_refused_from_the_header(width: int, height: int):
    with pytest.raises(ImageSizeError) as refusal:
        decode_image(png_header(width, height), "big.png")
    assert refusal.value.origin == "big.png"


def test_the_size_limits_themselves_are_accepted():
    assert decode_image(encoded(PillowImage.new("L", (2, 2))), "x").shape == (2, 2, 1)
    # 40 megapixels pass the size check and fail only because this file has no pixels
    with pytest.raises(BrokenImageError):
        decode_image(png_header(8000, 5000), "x")


def test_a_tiff_whose_offsets_are_text_is_broken_and_no_bug():
    sound = encoded(PillowImage.fromarray(np.zeros((2, 2), np.uint8)), "TIFF")
    strip_offsets, as_text = struct.pack("<HH", 273, 4), struct.pack("<HH", 273, 2)
    damaged = sound.replace(strip_offsets, as_text).replace(struct.pack("<HH", 273, 3), as_text)
    assert damaged != sound
    with pytest.raises(BrokenImageError):
        decode_image(damaged, "x")
