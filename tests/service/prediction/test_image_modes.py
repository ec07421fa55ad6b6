"""Training, `ldnas predict` and the exported `network.py` see the same pixels of every image, or refuse it alike."""

import contextlib
import io
import struct
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin

from ldnas.data import decoding
from ldnas.data.decoding import decode_image
from ldnas.data.preprocessing import Preprocessing, normalise, to_tensor_images
from ldnas.data.value_range import ValueRange
from ldnas.data.wide_values import WideValuesFinder
from ldnas.errors import RefusedError
from ldnas.export.description import NetworkDescription
from ldnas.export.formats import standalone_code
from service.client.prediction.classifier import Classifier
from service.client.prediction.images import BrokenFile, read_image
from tests.ldnas.export.designs import CELL

SIDE = CELL.image_size
GREY = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
GREY[0, :2] = 0, 255
SIGNED, UNSIGNED = (struct.pack("<HHIH", 339, 3, 1, kind) for kind in (2, 1))  # TIFF's SampleFormat


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def of_bytes(mode: str, values: np.ndarray) -> Image.Image:
    return Image.frombytes(mode, (values.shape[1], values.shape[0]), values.tobytes())


def plain(mode: str) -> Image.Image:
    return Image.fromarray(GREY).convert("RGB").convert(mode)


def transparent(mode: str) -> Image.Image:
    image = plain(mode)
    image.putalpha(Image.fromarray(GREY))
    return image


@dataclass(frozen=True)
class Case:
    """An image file, and the grey levels that it shows; None where they are not those of GREY.

    `value_range` is that of a network trained on such images; None for images with 8 bits.
    """

    content: bytes
    levels: np.ndarray | None = None
    value_range: tuple[float, float] | None = None


LONG_TEXT = PngImagePlugin.PngInfo()
LONG_TEXT.add_text("xml", "x" * (2 << 20), zip=True)
OVER_WHITE = np.floor((GREY.astype(float) ** 2 + (255 - GREY.astype(float)) * 255) / 255 + 0.5)
CASES = {
    "1": Case(saved(Image.fromarray(GREY > 127), "PNG"), np.where(GREY > 127, 255, 0)),
    "L": Case(saved(plain("L"), "PNG"), GREY),
    "LA": Case(saved(transparent("LA"), "PNG"), OVER_WHITE),
    "P": Case(saved(Image.fromarray(GREY).convert("P"), "PNG"), GREY),
    "P with a transparent entry": Case(saved(Image.fromarray(GREY).convert("P"), "PNG", transparency=7)),
    "PA": Case(saved(of_bytes("PA", np.dstack([GREY, 255 - GREY])), "TIFF")),
    "RGB": Case(saved(plain("RGB"), "PNG"), GREY),
    "RGB with a transparent colour": Case(saved(plain("RGB"), "PNG", transparency=(9, 9, 9))),
    "RGBA": Case(saved(transparent("RGBA"), "PNG"), OVER_WHITE),
    "CMYK": Case(saved(plain("CMYK"), "TIFF"), GREY),
    "YCbCr": Case(saved(plain("YCbCr"), "TIFF")),  # Pillow rounds some levels down
    "LAB": Case(saved(of_bytes("LAB", np.dstack([GREY, GREY, 255 - GREY])), "TIFF")),
    "I;16": Case(saved(of_bytes("I;16", GREY.astype("<u2") * 16), "PNG"), GREY, (0, 4080)),
    "I;16 of a TIFF": Case(saved(of_bytes("I;16", GREY.astype("<u2") * 257), "TIFF"), GREY, (0, 65535)),
    "I;16B": Case(saved(of_bytes("I;16B", GREY.astype(">u2")), "TIFF"), GREY, (0, 255)),
    "16 bits with a sign": Case(
        saved(of_bytes("I;16", GREY.astype("<i2") * 8 - 1000), "TIFF", tiffinfo={339: 2}), GREY, (-1000, 1040)
    ),
    "I": Case(saved(of_bytes("I", GREY.astype("<i4") * 1000 - 70_000), "TIFF"), GREY, (-70_000, 185_000)),
    "32 bits without a sign": Case(
        saved(of_bytes("I", GREY.astype("<u4") << 24), "TIFF").replace(SIGNED, UNSIGNED), GREY, (0, 255 << 24)
    ),
    "F": Case(saved(of_bytes("F", GREY.astype("<f4") / np.float32(255)), "TIFF"), GREY, (0, 1)),
    "a long text": Case(saved(plain("RGB"), "PNG", pnginfo=LONG_TEXT), GREY),
    "a long profile": Case(saved(plain("RGB"), "PNG", icc_profile=bytes(3 << 20)), GREY),
}
NOT_A_NUMBER = saved(of_bytes("F", np.full((4, 4), np.nan, "<f4")), "TIFF")


def of_training(file: Path, value_range: ValueRange | None) -> torch.Tensor:
    """The pixels that training reads, with a range that the dataset states."""
    finder = WideValuesFinder(value_range)
    pixels = decode_image(file, file.name)
    finder.add(pixels, file.name)
    return normalise(to_tensor_images([finder.scaled(pixels)], Preprocessing(SIDE)))[0]


def of_predict(file: Path, preprocessing: Preprocessing) -> torch.Tensor | None:
    """The pixels that `ldnas predict` gives to the network; None for a refused image."""
    classifier = Classifier(("a", "b", "c"), preprocessing, None)
    image = read_image(file, preprocessing.value_range)
    if isinstance(image, BrokenFile):
        return None
    return torch.from_numpy(classifier.prepared(image)).float() / 127.5 - 1


def code_of(preprocessing: Preprocessing) -> Any:
    """The exported file as a module."""
    module = types.ModuleType("network")
    code = standalone_code(NetworkDescription(CELL, ("a", "b", "c"), preprocessing))
    exec(compile(code, "network.py", "exec"), module.__dict__)
    return module


def of_code(file: Path, module: Any) -> torch.Tensor | None:
    """The pixels that `network.py` gives to the network; None for a refused image."""
    try:
        return module.read_image(file)
    except (OSError, ValueError):
        return None


@pytest.fixture
def place(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(content: bytes) -> Path:
        # The suffix only has to be that of an image: Pillow reads the content.
        (tmp_path / "image.png").write_bytes(content)
        return tmp_path / "image.png"

    return write


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_all_see_the_same_pixels_of_every_mode(place: Callable[[bytes], Path], case: Case) -> None:
    value_range = None if case.value_range is None else ValueRange(*case.value_range)
    file, preprocessing = place(case.content), Preprocessing(SIDE, value_range)
    expected = of_training(file, value_range)
    for found in (of_predict(file, preprocessing), of_code(file, code_of(preprocessing))):
        assert found is not None
        torch.testing.assert_close(found, expected, atol=0, rtol=0)
    if case.levels is not None:
        levels = (expected + 1) * 127.5
        for channel in levels:
            np.testing.assert_allclose(channel.numpy(), case.levels, atol=1e-3)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.value_range is not None])
def test_a_network_of_8_bit_images_refuses_more_bits_in_every_form(place: Callable[[bytes], Path], name: str) -> None:
    file, preprocessing = place(CASES[name].content), Preprocessing(SIDE)
    assert of_predict(file, preprocessing) is None
    with pytest.raises(ValueError, match="more than 8 bits a value"):
        code_of(preprocessing).read_image(file)


def test_hsv_which_no_file_has_is_read_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(*_: Any, **__: Any) -> contextlib.nullcontext[Image.Image]:
        image = plain("HSV")
        image.tile = []
        return contextlib.nullcontext(image)

    monkeypatch.setattr(Image, "open", opened)
    found = of_predict(tmp_path, Preprocessing(SIDE))
    assert found is not None
    np.testing.assert_allclose(((found + 1) * 127.5)[0].numpy(), GREY, atol=1e-3)
    torch.testing.assert_close(of_code(tmp_path, code_of(Preprocessing(SIDE))), found, atol=0, rtol=0)


def refusals() -> dict[str, bytes]:
    narrow = saved(Image.fromarray(GREY[:1]), "PNG")
    return {"not a number": NOT_A_NUMBER, "one row": narrow, "another format": saved(plain("RGB"), "TGA")}


@pytest.mark.parametrize("name", refusals())
def test_all_refuse_alike(place: Callable[[bytes], Path], name: str) -> None:
    file, value_range = place(refusals()[name]), ValueRange(0, 1)
    with pytest.raises(RefusedError):
        of_training(file, value_range)
    assert of_predict(file, Preprocessing(SIDE, value_range)) is None
    assert of_code(file, code_of(Preprocessing(SIDE, value_range))) is None


BLOCKS = np.random.default_rng(1).integers(0, 256, (15, 16), dtype=np.uint8)
LARGE = np.kron(BLOCKS, np.ones((2, 2), np.uint8))


@pytest.mark.parametrize(
    ("content", "value_range", "exact"),
    [
        (saved(Image.fromarray(LARGE), "PNG"), None, True),
        (saved(Image.fromarray(LARGE).convert("P"), "PNG"), None, True),
        (saved(of_bytes("I;16", LARGE.astype("<u2") * 257), "PNG"), (0, 65535), True),
        (saved(of_bytes("F", LARGE.astype("<f4")), "TIFF"), (0, 255), True),
        (saved(Image.fromarray(np.dstack([LARGE] * 4)), "PNG"), None, False),
        (saved(Image.fromarray(LARGE), "JPEG"), None, False),
        (saved(Image.fromarray(np.kron(LARGE, np.ones((2, 2), np.uint8))), "JPEG"), None, False),
        (saved(Image.fromarray(LARGE), "JPEG", progressive=True), None, False),
    ],
    ids=["L", "P", "16 bits", "floating point", "RGBA", "JPEG", "JPEG at a quarter", "progressive JPEG"],
)
def test_a_large_image_is_read_at_a_part_of_its_sides(
    place: Callable[[bytes], Path],
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    value_range: tuple[float, float] | None,
    exact: bool,
) -> None:
    """Images are large from 40 megapixels; here, from a quarter of their own size."""
    monkeypatch.setattr(decoding, "MAX_PIXELS", BLOCKS.size)
    preprocessing = Preprocessing(SIDE, None if value_range is None else ValueRange(*value_range))
    file, module = place(content), code_of(preprocessing)
    module.MAX_PIXELS = BLOCKS.size
    image = read_image(file, preprocessing.value_range)
    assert not isinstance(image, BrokenFile)
    assert image.shape[:2] == BLOCKS.shape
    if exact:
        np.testing.assert_array_equal(image[:, :, 0], BLOCKS)
    found = of_predict(file, preprocessing)
    torch.testing.assert_close(of_code(file, module), found, atol=0, rtol=0)


@pytest.mark.parametrize(
    ("sides", "options"),
    [(4, {"format": "PNG"}), (4, {"format": "JPEG", "progressive": True}), (8, {"format": "JPEG"})],
    ids=["PNG", "progressive JPEG", "JPEG"],
)
def test_a_larger_image_is_refused_in_every_form(
    place: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch, sides: int, options: dict[str, Any]
) -> None:
    monkeypatch.setattr(decoding, "MAX_PIXELS", BLOCKS.size)
    content = io.BytesIO()
    Image.fromarray(np.kron(BLOCKS, np.ones((sides, sides), np.uint8))).save(content, **options)
    file, module = place(content.getvalue()), code_of(Preprocessing(SIDE))
    module.MAX_PIXELS = BLOCKS.size
    refused = read_image(file, None)
    assert isinstance(refused, BrokenFile)
    assert "megapixels are accepted" in refused.message
    assert of_code(file, module) is None
