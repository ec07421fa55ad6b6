"""NumPy archives: the arrays that are read, and those that are refused."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ldnas.data.dataset import Split
from ldnas.data.load import load_dataset
from ldnas.data.readers.npz import read_npz
from ldnas.data.reference import DatasetReference
from ldnas.errors import ImageSizeError, InvalidReferenceError, UnreadableDatasetError
from tests.ldnas.data.reading import decoded

RANDOM = np.random.default_rng(0)
X = RANDOM.integers(0, 256, (30, 5, 4), dtype=np.uint8)
Y = np.arange(30) % 3 * 10


def write(path: Path, **changes) -> Path:
    arrays = {"x_train": X[:20], "y_train": Y[:20], "x_test": X[20:], "y_test": Y[20:]} | changes
    np.savez_compressed(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def test_both_splits_are_given_and_classes_are_the_sorted_labels(tmp_path):
    raw = decoded(read_npz(write(tmp_path / "a.npz")))
    np.testing.assert_array_equal(np.stack(raw.images), X[:, :, :, None])
    assert raw.class_names == ("0", "10", "20")
    assert raw.labels == (Y // 10).tolist()
    assert raw.given_splits == [Split.TRAIN] * 20 + [Split.TEST] * 10
    assert raw.origins[19:21] == ["a.npz: x_train row 19", "a.npz: x_test row 0"]


@pytest.mark.parametrize("shape", [(30, 2, 2), (30, 2, 2, 1), (30, 2, 2, 3)])
def test_grey_and_colour_are_read(tmp_path, shape):
    x = RANDOM.integers(0, 256, shape, dtype=np.uint8)
    path = write(tmp_path / "a.npz", x_train=x[:20], y_train=Y[:20, None].astype(np.uint8), x_test=x[20:])
    np.testing.assert_array_equal(np.stack(decoded(read_npz(path)).images), x.reshape(30, 2, 2, -1))


def test_rows_of_several_reads_keep_their_order(tmp_path):
    x = RANDOM.integers(0, 256, (20, 300, 300), dtype=np.uint8)  # 11 rows a read
    raw = decoded(read_npz(write(tmp_path / "a.npz", x_train=x)))
    np.testing.assert_array_equal(np.stack(raw.images[:20])[..., 0], x)


def test_a_reference_to_a_file_reads_it(tmp_path):
    path = write(tmp_path / "a.npz")
    dataset = load_dataset(DatasetReference(path.as_uri()), roots=[tmp_path], cache=tmp_path)
    assert len(dataset.indices(Split.TEST)) == 10
    with pytest.raises(InvalidReferenceError) as refusal:
        load_dataset(DatasetReference(path.as_uri(), label_column="y"), roots=[tmp_path], cache=tmp_path)
    assert refusal.value.field == "dataset.label_column"


@pytest.mark.parametrize(
    ("changes", "origin", "reason"),
    [
        ({"y_test": None}, "a.npz", "has no array y_test"),
        ({"extra": X}, "a.npz: extra", "has an array 'extra'"),
        ({"y_train": Y[:19]}, "a.npz: x_train", "20 images for 19 labels"),
        ({"y_train": Y[:20] / 2}, "a.npz: y_train", "integer labels"),
        ({"y_train": np.stack([Y[:20]] * 2, axis=1)}, "a.npz: y_train", r"\[20, 2\]"),
        ({"y_train": np.array(["a"] * 20)}, "a.npz: y_train", "integer labels"),
        ({"y_train": Y[:20] - 10}, "a.npz: y_train row 0", "the label -10"),
        ({"y_train": np.array([{}] * 20)}, "a.npz: y_train", "pickled"),
        ({"x_train": np.array([{}] * 20)}, "a.npz: x_train", "pickled"),
        ({"x_train": X[:20] / 255}, "a.npz: x_train", "float64"),
        ({"x_train": X[:20, 0]}, "a.npz: x_train", r"\[20, 4\]"),
        ({"x_train": np.zeros((20, 4, 4, 4), np.uint8)}, "a.npz: x_train", r"\[20, 4, 4, 4\]"),
        ({"x_train": np.asfortranarray(X[:20])}, "a.npz: x_train", "ascontiguousarray"),
        ({"x_train": X[:0], "y_train": Y[:0]}, "a.npz: y_train", "N from 1"),
    ],
)
def test_arrays_that_are_not_images_with_labels_are_refused_by_array_and_row(tmp_path, changes, origin, reason):
    with pytest.raises(UnreadableDatasetError, match=reason) as refusal:
        decoded(read_npz(write(tmp_path / "a.npz", **changes)))
    assert refusal.value.origin == origin


def test_images_of_one_pixel_are_refused(tmp_path):
    with pytest.raises(ImageSizeError):
        decoded(read_npz(write(tmp_path / "a.npz", x_train=X[:20, :1, :1])))


def test_a_header_that_promises_more_than_there_is_allocates_nothing(tmp_path):
    path = write(tmp_path / "a.npz")
    with zipfile.ZipFile(path) as archive:
        arrays = {entry: archive.read(entry) for entry in archive.namelist()}
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (20, 2**40, 2**40)})
    arrays["x_train.npy"] = header.getvalue() + X[:20].tobytes()
    with zipfile.ZipFile(path, "w") as archive:
        for entry, content in arrays.items():
            archive.writestr(entry, content)
    with pytest.raises(UnreadableDatasetError, match="as many bytes"):
        decoded(read_npz(path))


@pytest.mark.parametrize("header", [b"{(\n", b"{'shape': " + b"(" * 500, b"{'shape': [], 3: 4}\n"])
def test_a_malformed_header_is_refused(tmp_path, header):
    path = write(tmp_path / "a.npz", y_train=None)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("y_train.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(UnreadableDatasetError, match="not an array that NumPy stored"):
        decoded(read_npz(path))
