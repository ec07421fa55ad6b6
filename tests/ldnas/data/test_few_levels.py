"""The warning about images with 8 bits that are nearly black."""

import numpy as np
import pytest

from ldnas.data.few_levels import FewLevelsFinder
from ldnas.data.load import load_dataset
from ldnas.data.reference import DatasetReference


def warnings_of(*images: list[int], dtype: type = np.uint8) -> tuple[str, ...]:
    finder = FewLevelsFinder()
    for image in images:
        finder.add(np.array(image, dtype).reshape(1, -1, 1))
    return finder.warnings


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ([[0, 1, 2, 3]], "4 grey levels, between 0 and 3 of 255, so they are nearly black"),
        ([[0, 63], [7, 0]], "3 grey levels, between 0 and 63 of 255"),
        ([[0, 0], [0, 0]], "1 grey level, 0 of 255"),
        ([[5]], "1 grey level, 5 of 255"),
        ([list(range(8))], "8 grey levels"),
    ],
)
def test_at_most_8_dark_values_in_all_images_are_reported(images: list[list[int]], words: str) -> None:
    (warning,) = warnings_of(*images)
    assert warning.startswith("few grey levels are left: the images have 8 bits and ")
    assert words in warning


@pytest.mark.parametrize("images", [[], [[0, 64]], [[0, 255]], [list(range(9))], [list(range(5)), list(range(4, 9))]])
def test_more_or_brighter_values_are_not(images: list[list[int]]) -> None:
    assert warnings_of(*images) == ()


def test_images_with_more_than_8_bits_have_a_warning_of_their_own() -> None:
    assert warnings_of([0, 1], dtype=np.uint16) == ()


def test_a_job_reads_the_warning_too(tmp_path) -> None:
    np.savez(tmp_path / "a.npz", x=np.resize(np.arange(3, dtype=np.uint8), (20, 4, 5)), y=np.arange(20) % 2)
    dataset = load_dataset(DatasetReference((tmp_path / "a.npz").as_uri()), roots=[tmp_path], cache=tmp_path)
    assert "3 grey levels, between 0 and 2 of 255" in " ".join(dataset.warnings)
