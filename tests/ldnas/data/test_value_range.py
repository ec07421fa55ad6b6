"""Images with more than 8 bits are scaled by one range for the whole dataset."""

import io
import math
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ldnas.data.framing import Preprocessing
from ldnas.data.load import load_dataset
from ldnas.data.reference import DatasetReference
from ldnas.data.samples import read_samples
from ldnas.data.scaling import scaled, to_8_bits
from ldnas.data.survey import survey
from ldnas.data.value_range import ValueRange, natural_range
from ldnas.data.wide_values import WideValuesFinder
from ldnas.errors import BrokenImageError, InvalidReferenceError, UnreadableDatasetError

DIGEST_OF_EARLIER_RELEASES = "111dc3a65fd12c4bf74beea0ffa34a25643f18f6dd825ead141750923a86c6b9"
RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (40, 9, 7), dtype=np.uint8)
GREY[0, 0, :2] = 0, 255


def folder(path: Path, images: np.ndarray, suffix: str) -> DatasetReference:
    """An image folder of two classes."""
    for row, image in enumerate(images):
        place = path / "ab"[row % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{row:02}.{suffix}")
    return DatasetReference(path.as_uri())


def loaded(reference: DatasetReference):
    return load_dataset(reference, roots=[Path("/")], cache=Path("/"))


@pytest.mark.parametrize(
    ("lowest", "highest", "has_fractions", "expected"),
    [
        (0, 1, False, (0, 255)),
        (3, 200, False, (0, 255)),
        (0, 256, False, (0, 511)),
        (900, 1200, False, (0, 2047)),
        (0, 4095, False, (0, 4095)),
        (0, 4096, False, (0, 8191)),
        (0, 65535, False, (0, 65535)),
        (0, 2**32 - 1, False, (0, 2**32 - 1)),
        (-1024, 3071, False, (-1024, 3071)),
        (-5, -5, False, (-5, -4)),
        (0, 1, True, (0, 1)),
        (0.2, 0.3, True, (0, 1)),
        (0, 254.5, True, (0, 255)),
        (0, 1000.5, True, (0, 1023)),
        (-1, 1, True, (-1, 1)),
        (0, 1e30, True, (0, 1e30)),
    ],
)
def test_the_range_is_that_of_the_bits_that_the_values_need(lowest, highest, has_fractions, expected):
    assert natural_range(lowest, highest, has_fractions=has_fractions) == ValueRange(*expected)


@pytest.mark.parametrize(("low", "high"), [(0, 65535), (0, 4095), (-1024, 3071), (100, 107)])
def test_values_are_scaled_to_the_nearest_grey_level_and_limited(low, high):
    values = np.arange(low - 3, high + 4)
    exact = [math.floor(Fraction(255 * (int(value) - low), high - low) + Fraction(1, 2)) for value in values]
    expected = [min(255, max(0, level)) for level in exact]
    assert scaled(values, ValueRange(low, high)).tolist() == expected


def test_full_16_bits_are_scaled_as_by_earlier_releases():
    values = np.arange(65536, dtype=np.uint16)
    np.testing.assert_array_equal(scaled(values, ValueRange(0, 65535)), (values.astype(int) + 128) // 257)


@pytest.mark.parametrize("value", [[1], [1, 2, 3], "04", [1, 1], [2, 1], [0, None], [0, True], [0, 1e400], {}, 7])
def test_what_is_not_a_range_is_refused_by_its_field(value):
    with pytest.raises(InvalidReferenceError, match=r"\[0, 4095\]") as refusal:
        DatasetReference.from_json({"uri": "file:///a", "value_range": value})
    assert refusal.value.field == "dataset.value_range"


def test_a_reference_keeps_its_range():
    value = {"uri": "file:///a", "value_range": [-0.5, 4095]}
    assert DatasetReference.from_json(value).to_json() == value


@pytest.mark.parametrize(
    ("stored", "suffix"),
    [
        (GREY.astype(np.uint16), "png"),
        (GREY.astype(np.int32), "tif"),
        (GREY.astype(np.float32) / np.float32(255), "tif"),
        (GREY.astype(np.float32), "tif"),
    ],
    ids=["16 bits", "32 bits", "from 0 to 1", "floating point to 255"],
)
def test_8_bit_values_in_larger_types_are_the_dataset_of_8_bits(tmp_path, stored, suffix):
    plain, wide = loaded(folder(tmp_path / "plain", GREY, "png")), loaded(folder(tmp_path / "wide", stored, suffix))
    assert (plain.value_range, wide.value_range is None) == (None, False)
    assert wide.digest == plain.digest


def twelve_bits() -> np.ndarray:
    """Noise of 12-bit scans, as in the middle of their range."""
    return RANDOM.integers(900, 1121, (40, 9, 7)).astype(np.uint16)


def test_survey_samples_and_loading_see_the_same_pixels(tmp_path):
    values = twelve_bits()
    np.savez(tmp_path / "a.npz", x_train=values, y_train=np.arange(40) % 2)
    for stated in (None, ValueRange(900, 1120)):
        reference = DatasetReference((tmp_path / "a.npz").as_uri(), value_range=stated)
        found, dataset = survey(tmp_path / "a.npz", reference, "a.npz"), loaded(reference)
        assert found.digest == dataset.digest
        assert found.wide_values == dataset.wide_values
        assert found.value_range == (stated or ValueRange(0, 2047))
        images = dict(zip(dataset.origins, dataset.images, strict=True))
        for sample in read_samples(tmp_path / "a.npz", reference, "a.npz", found):
            np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(sample.png))), images[sample.origin][..., 0])


def packed(folder: Path, layout: str) -> Path:
    """The image folder in another layout; with the images in the same order."""
    file = folder.with_name(layout)
    if layout in ("zip", "gztar"):
        return Path(shutil.make_archive(str(file), layout, folder))
    images = sorted(folder.glob("*/*"))
    if layout == "table":
        rows = [f"{image.relative_to(folder)},{image.parent.name}" for image in images]
        (folder / "labels.csv").write_text("\n".join(["file_name,label", *rows]))
        return folder
    cells = [{"bytes": image.read_bytes(), "path": None} for image in images]
    if layout == "paths":
        cells = [{"bytes": None, "path": str(image.relative_to(folder))} for image in images]
        file = folder / "rows"
    table = {"image": cells, "label": [image.parent.name for image in images]}
    pq.write_table(pa.table(table), file.with_suffix(".parquet"))
    return folder if layout == "paths" else file.with_suffix(".parquet")


@pytest.mark.parametrize("layout", ["zip", "gztar", "table", "bytes", "paths"])
def test_every_layout_has_the_range_and_the_pixels_of_the_folder(tmp_path, layout):
    reference = folder(tmp_path / "set", twelve_bits(), "png")
    expected = loaded(reference)
    found = loaded(DatasetReference(packed(tmp_path / "set", layout).as_uri()))
    assert found.value_range == expected.value_range == ValueRange(0, 2047)
    assert found.digest == expected.digest


def test_few_grey_levels_are_reported_with_a_range_that_keeps_more(tmp_path):
    reference = folder(tmp_path / "set", twelve_bits(), "png")
    found = loaded(reference).wide_values
    assert (found.lowest, found.highest, found.distinct, found.levels) == (900, 1120, 221, 29)
    assert "221 different values, 900 to 1120" in found.warning
    assert "29 grey levels between 112 and 140" in found.warning
    assert found.warning.endswith("state a narrower value_range, such as [900, 1120]")
    stated = loaded(DatasetReference(reference.uri, value_range=ValueRange(900, 1120))).wide_values
    assert (stated.levels, stated.warning) == (221, None)


@pytest.mark.parametrize(
    ("values", "warns"),
    [
        ([0, 65535], False),  # a mask: nothing is lost
        ([0, 1], True),  # a mask that is black
        ([*range(200), 65535], True),  # one hot pixel
        ([*range(0, 65536, 300)], False),
    ],
    ids=["mask", "black mask", "hot pixel", "all bits"],
)
def test_the_warning_speaks_of_lost_and_of_close_levels_alone(tmp_path, values, warns):
    images = np.resize(np.array(values, dtype=np.uint16), (40, 16, 17))
    images[:, 0, 0] = np.resize(values, 40)
    images[np.arange(40), 1, np.arange(40) % 17] = values[0]
    images[np.arange(40), 2, np.arange(40) // 17] = values[-1]
    found = loaded(folder(tmp_path / "set", images, "png")).wide_values
    assert (found.warning is not None) == warns


def test_a_single_value_is_one_grey_level():
    finder, pixels = WideValuesFinder(None), np.full((4, 4, 1), 7, np.uint16)
    finder.add(pixels, "1.png")
    finder.scaled(pixels)
    warning = finder.found("set").warning
    assert "have 1 value, 7 to 7, and the value range [0, 255] makes them 1 grey level, 7 of 255;" in warning


def test_a_stated_range_without_such_images_is_refused(tmp_path):
    reference = DatasetReference(folder(tmp_path / "set", GREY, "png").uri, value_range=ValueRange(0, 4095))
    with pytest.raises(InvalidReferenceError, match="more than 8 bits") as refusal:
        loaded(reference)
    assert refusal.value.field == "dataset.value_range"
    with pytest.raises(InvalidReferenceError):
        loaded(DatasetReference("builtin://digits", value_range=ValueRange(0, 4095)))


def test_integers_and_floating_point_numbers_need_a_stated_range(tmp_path):
    folder(tmp_path / "set", GREY.astype(np.uint16), "png")
    reference = folder(tmp_path / "set", GREY[:20].astype(np.float32), "tif")
    with pytest.raises(UnreadableDatasetError, match=r"a/\d+.tif has floating-point numbers|integers of more than 8"):
        loaded(reference)
    assert loaded(DatasetReference(reference.uri, value_range=ValueRange(0, 255))).value_range == ValueRange(0, 255)


def test_a_network_of_8_bit_images_refuses_others():
    wide = GREY[0].astype(np.uint16)[:, :, None]
    with pytest.raises(BrokenImageError, match="convert the image to 8 bits"):
        to_8_bits(wide, None, "x.png")
    np.testing.assert_array_equal(to_8_bits(GREY[0], None, "x.png"), GREY[0])


def test_the_preprocessing_of_8_bit_images_has_the_digest_and_the_recipe_of_earlier_releases():
    ranged = Preprocessing(32, ValueRange(0, 4095))
    assert Preprocessing(32).digest == ranged.digest == DIGEST_OF_EARLIER_RELEASES
    assert Preprocessing(32).to_json()["recipe"] == "square/bilinear/1"
    assert ranged.to_json() == {"recipe": "square/bilinear/2", "image_size": 32, "value_range": [0, 4095]}
    for preprocessing in (Preprocessing(32), ranged):
        assert Preprocessing.from_json(preprocessing.to_json()) == preprocessing
    earlier = {"recipe": "square/bilinear/1", "image_size": 32}
    assert Preprocessing.from_json(earlier) == Preprocessing(32, ValueRange(0, 65535))
