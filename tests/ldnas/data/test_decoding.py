import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image as PillowImage

from ldnas.data.decoding import decode_image
from ldnas.errors import BrokenImageError, ImageSizeError


def encoded(image: PillowImage.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_header(width: int, height: int) -> bytes:
    """A PNG that says how large it is and has no pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"")


def png(pixels: np.ndarray, color_type: int) -> bytes:
    """A PNG of big-endian 16-bit pixels `[H, W, C]`, which Pillow cannot write."""
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    body = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


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


UNSIGNED, SIGNED = (struct.pack("<HHIH", 339, 3, 1, kind) for kind in (1, 2))  # TIFF's SampleFormat
WIDE = {
    "16 bits": ("I;16", "<u2", [0, 65535, 700, 4095]),
    "16 bits, big-endian": ("I;16B", ">u2", [0, 65535, 700, 4095]),
    "16 bits with a sign": ("I;16", "<i2", [-32768, 32767, -1000, 7]),
    "32 bits": ("I", "<u4", [0, 4294967295, 70_000, 7]),
    "32 bits with a sign": ("I", "<i4", [-70_000, 70_000, 0, 7]),
    "floating point": ("F", "<f4", [-1.5, 0.25, 1e-3, 7]),
}


@pytest.mark.parametrize("name", WIDE)
def test_values_of_more_than_eight_bits_are_kept(name: str):
    mode, kind, values = WIDE[name]
    image = PillowImage.frombytes(mode, (2, 2), np.array(values, dtype=kind).tobytes())
    content = encoded(image, "TIFF", tiffinfo={339: 2} if kind == "<i2" else {})
    if kind == "<u4":  # Pillow writes 32 bits with a sign alone
        assert content.count(SIGNED) == 1
        content = content.replace(SIGNED, UNSIGNED)
    decoded = decode_image(content, "x")
    assert decoded.shape == (2, 2, 1)
    assert decoded.reshape(-1).tolist() == np.array(values, dtype=kind).tolist()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(value: float):
    values = np.array([[0, value], [1, 2]], dtype=np.float32)
    with pytest.raises(BrokenImageError, match="not finite"):
        decode_image(encoded(PillowImage.fromarray(values), "TIFF"), "x")


@pytest.mark.parametrize(("color_type", "channels"), [(2, 3), (4, 2), (6, 4)], ids=["RGB", "LA", "RGBA"])
def test_deep_colour_whose_high_byte_is_black_is_refused(color_type: int, channels: int):
    """Pillow reads 16 bits a channel by the high byte alone: 12-bit values would turn black."""
    pixels = np.full((2, 2, channels), 4095, dtype=">u2")
    pixels[..., -1] = 65535 if channels in (2, 4) else 4095  # alpha
    with pytest.raises(BrokenImageError, match="below 4096"):
        decode_image(png(pixels, color_type), "x")
    pixels[..., 0] = 4096
    assert decode_image(png(pixels, color_type), "x")[0, 0, 0] == 16


def test_a_format_that_would_start_another_program_is_not_opened():
    with pytest.raises(BrokenImageError):
        decode_image(encoded(PillowImage.new("RGB", (4, 4)), "EPS"), "x")


@pytest.mark.parametrize(("width", "height"), [(1, 50), (50, 1), (16_000, 10_001), (60_000, 60_000)])
def test_an_absurd_size_is_refused_from_the_header(width: int, height: int):
    with pytest.raises(ImageSizeError) as refusal:
        decode_image(png_header(width, height), "big.png")
    assert refusal.value.origin == "big.png"


def test_the_size_limits_themselves_are_accepted():
    assert decode_image(encoded(PillowImage.new("L", (2, 2))), "x").shape == (2, 2, 1)
    # 160 megapixels pass the size check and fail only because this file has no pixels
    with pytest.raises(BrokenImageError):
        decode_image(png_header(16_000, 10_000), "x")


def test_a_tiff_whose_offsets_are_text_is_broken_and_no_bug():
    sound = encoded(PillowImage.fromarray(np.zeros((2, 2), np.uint8)), "TIFF")
    strip_offsets, as_text = struct.pack("<HH", 273, 4), struct.pack("<HH", 273, 2)
    damaged = sound.replace(strip_offsets, as_text).replace(struct.pack("<HH", 273, 3), as_text)
    assert damaged != sound
    with pytest.raises(BrokenImageError):
        decode_image(damaged, "x")
