import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import PngImagePlugin

from ldnas.data import decoding
from ldnas.data.decoding import decode_image, decode_picture
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


def test_a_file_that_may_not_be_read_is_refused_for_that_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, **options: object) -> None:
        raise PermissionError(13, "Permission denied", str(source))

    monkeypatch.setattr(decoding.PillowImage, "open", refuse)  # the user root may read everything
    with pytest.raises(BrokenImageError) as refused:
        decode_image(tmp_path / "cat.png", "cats/cat.png")
    assert str(refused.value) == (
        "cats/cat.png cannot be read: Permission denied; make it readable for the user that runs the worker"
    )


def test_a_png_with_a_long_text_is_read(tmp_path: Path):
    """In a process of its own: the exported code raises Pillow's limit too, for the whole process."""
    info = PngImagePlugin.PngInfo()
    info.add_text("xml", "x" * (2 << 20), zip=True)
    file = tmp_path / "long.png"
    file.write_bytes(encoded(PillowImage.new("L", (4, 3)), pnginfo=info))
    program = (
        f"from pathlib import Path; from ldnas.data.decoding import decode_image; "
        f"print(decode_image(Path({str(file)!r}), '').shape)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert result.stdout == "(3, 4, 1)\n", result.stderr


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


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "it is empty"), (b"no image", "its content is none of PNG, JPEG")]
)
def test_the_refusal_of_other_files_has_no_place_of_this_machine(tmp_path: Path, content: bytes, reason: str):
    (tmp_path / "a.png").write_bytes(content)
    for source in (content, tmp_path / "a.png"):
        with pytest.raises(BrokenImageError) as refusal:
            decode_image(source, "a.png")
        assert refusal.value.message.startswith(f"a.png cannot be decoded as an image: {reason}")
        assert not {str(tmp_path), "BytesIO"} & {word.strip("'<>") for word in refusal.value.message.split()}


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "PNG", "WEBP"])
def test_of_several_frames_the_first_is_decoded_and_the_others_are_noted(kind: str):
    frames = [PillowImage.new("L", (8, 8), value) for value in (0, 255)]
    for count in (1, 2):
        buffer = io.BytesIO()
        frames[0].save(buffer, kind, save_all=True, append_images=frames[1:count])
        picture = decode_picture(buffer.getvalue(), "x")
        assert picture.pixels.max() == 0
        assert picture.has_more is (count == 2)


def test_a_picture_cut_short_is_broken():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    content = encoded(PillowImage.fromarray(noise))
    with pytest.raises(BrokenImageError):
        decode_image(content[: len(content) // 2], "x")


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
