import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from ldnas.data.dataset import Split, content_digest
from ldnas.data.load import load_dataset
from ldnas.data.reference import DatasetReference, Fractions
from ldnas.errors import (
    DatasetNotFoundError,
    ForbiddenLocationError,
    InvalidReferenceError,
    UnreadableDatasetError,
)


def load(uri: str, tmp_path: Path, **options):
    return load_dataset(DatasetReference(uri, **options), roots=[tmp_path], cache=tmp_path / "cache")


def test_the_digits_are_scaled_to_a_byte_and_split_by_class(tmp_path):
    dataset = load("builtin://digits", tmp_path)
    scans = load_digits()
    assert len(dataset) == 1797
    assert dataset.images[0].shape == (8, 8, 1)
    assert dataset.images[0].max() == round(scans.images[0].max() * 255 / 16)
    np.testing.assert_array_equal(dataset.labels, scans.target)
    train = Counter(dataset.labels[dataset.indices(Split.TRAIN)].tolist())
    for digit, count in Counter(scans.target.tolist()).items():
        assert train[digit] == pytest.approx(0.7 * count, abs=2)


def test_no_image_is_in_two_splits(tmp_path):
    dataset = load("builtin://digits", tmp_path)
    seen = {split: {content_digest(dataset.images[row]) for row in dataset.indices(split)} for split in Split}
    assert not seen[Split.TRAIN] & seen[Split.TEST]
    assert not seen[Split.VALIDATION] & seen[Split.TEST]
    assert not seen[Split.TRAIN] & seen[Split.VALIDATION]


def test_loading_again_gives_the_very_same_dataset(tmp_path):
    first, second = load("builtin://digits", tmp_path), load("builtin://digits", tmp_path)
    assert first.digest == second.digest
    np.testing.assert_array_equal(first.splits, second.splits)


def test_the_digest_depends_on_the_pixels_and_not_on_the_files(tmp_path, write_parquet, encode, grey):
    for number in range(30):
        path = tmp_path / "folder" / f"c{number // 15}" / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(grey(number)))
    images, labels = [grey(number) for number in range(30)], [number // 15 for number in range(30)]
    path = write_parquet(tmp_path / "a.parquet", images, labels, names=["c0", "c1"])
    assert load(f"file://{path}", tmp_path).digest == load(f"file://{tmp_path}/folder", tmp_path).digest


def test_the_digest_changes_with_a_pixel_a_label_a_class_name_and_the_split(tmp_path, write_parquet, grey):
    images, labels = [grey(number) for number in range(30)], [number // 15 for number in range(30)]
    changed = [grey(999), *images[1:]]
    base = write_parquet(tmp_path / "base.parquet", images, labels, names=["a", "b"])
    digests = [
        load(f"file://{path}", tmp_path, fractions=fractions).digest
        for path, fractions in [
            (base, None),
            (write_parquet(tmp_path / "1.parquet", changed, labels, names=["a", "b"]), None),
            (write_parquet(tmp_path / "2.parquet", images, [1, *labels[1:]], names=["a", "b"]), None),
            (write_parquet(tmp_path / "3.parquet", images, labels, names=["a", "c"]), None),
            (base, Fractions(0.5, 0.25, 0.25)),
        ]
    ]
    assert len(set(digests)) == len(digests)


def test_an_image_and_the_same_bytes_in_another_shape_differ():
    pixels = np.arange(12, dtype=np.uint8)
    assert content_digest(pixels.reshape(3, 4, 1)) != content_digest(pixels.reshape(4, 3, 1))
    assert content_digest(pixels.reshape(2, 2, 3)) != content_digest(pixels.reshape(2, 6, 1))


def test_train_images_that_equal_a_test_image_are_gone_and_counted(tmp_path, write_parquet, grey):
    folder = tmp_path / "d"
    write_parquet(folder / "train.parquet", [grey(number) for number in range(20)], [0, 1] * 10)
    write_parquet(folder / "test.parquet", [grey(3), grey(100), grey(101)], [1, 0, 1])
    dataset = load(f"file://{folder}", tmp_path)
    assert dataset.left_out == 1
    assert len(dataset) == len(dataset.origins) == len(dataset.labels) == len(dataset.splits) == 22
    assert "train.parquet row 3" not in dataset.origins
    assert "test.parquet row 0" in dataset.origins


def test_the_labels_and_origins_stay_with_their_images_when_some_are_left_out(tmp_path, write_parquet, grey):
    folder = tmp_path / "d"
    write_parquet(folder / "train.parquet", [grey(number) for number in range(20)], list(range(20)))
    write_parquet(folder / "test.parquet", [grey(0), grey(5)], [0, 5])
    dataset = load(f"file://{folder}", tmp_path)
    for image, label, origin in zip(dataset.images, dataset.labels, dataset.origins, strict=True):
        np.testing.assert_array_equal(image, grey(int(label)))
        assert origin.startswith("test") or origin == f"train.parquet row {label}"


def test_a_group_column_keeps_groups_together(tmp_path, write_parquet, grey):
    groups = [f"g{number % 12}" for number in range(120)]
    path = write_parquet(tmp_path / "a.parquet", [grey(n) for n in range(120)], [0, 1] * 60, patient=groups)
    dataset = load(f"file://{path}", tmp_path, group_column="patient")
    assert len({(group, str(split)) for group, split in zip(groups, dataset.splits, strict=True)}) == 12


def test_what_cannot_be_loaded_is_refused(tmp_path, encode, grey):
    (tmp_path / "notes.txt").write_text("no images")
    (tmp_path / "set" / "cat").mkdir(parents=True)
    (tmp_path / "set" / "cat" / "a.png").write_bytes(encode(grey(1)))
    with pytest.raises(UnreadableDatasetError, match=r"a \.parquet file"):
        load(f"file://{tmp_path}/notes.txt", tmp_path)
    with pytest.raises(UnreadableDatasetError, match="not a folder of images"):
        load(f"file://{tmp_path}/notes.txt", tmp_path, format="image_folder")
    with pytest.raises(InvalidReferenceError, match="no columns"):
        load(f"file://{tmp_path}/set", tmp_path, label_column="label")
    with pytest.raises(DatasetNotFoundError):
        load(f"file://{tmp_path}/nothing", tmp_path)
    with pytest.raises(ForbiddenLocationError):
        load("file:///etc", tmp_path)


@pytest.mark.skipif("LDNAS_TEST_DATA" not in os.environ, reason="LDNAS_TEST_DATA names no folder with mnist/ in it")
def test_the_real_mnist_has_its_known_counts(tmp_path):
    folder = Path(os.environ["LDNAS_TEST_DATA"])
    reference = DatasetReference(f"file://{folder}/mnist")
    dataset = load_dataset(reference, roots=[folder], cache=tmp_path)
    test = dataset.labels[dataset.indices(Split.TEST)]
    assert np.bincount(test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert len(dataset) + dataset.left_out == 70_000


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ((64).to_bytes(8, "little") + b'{"w":{}}', "holds network weights and no images"),
        (b"\x1f\x8b\x08 and so on", "cannot be read as a TAR file"),
        (b"GIF89a", "is a single image"),
        (b"", "has no readable layout"),
        (b"PAR1 and no more", "cannot be read as Parquet"),
    ],
)
def test_the_format_of_a_file_is_recognised_from_its_content(tmp_path, content, reason):
    path = tmp_path / "scans"
    path.write_bytes(content)
    with pytest.raises(UnreadableDatasetError, match=reason) as refusal:
        load(path.as_uri(), tmp_path)
    assert refusal.value.origin == "scans"


def test_a_file_is_read_as_the_format_that_is_asked_for(tmp_path):
    path = tmp_path / "scans"
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(UnreadableDatasetError, match="cannot be read as a ZIP file"):
        load(path.as_uri(), tmp_path, format="npz")
    with pytest.raises(UnreadableDatasetError, match="is a folder, not a zip file"):
        load(tmp_path.as_uri(), tmp_path, format="zip")
