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
from ldnas.data.value_range import ValueRange
from ldnas.errors import ImageSizeError, InvalidReferenceError, UnreadableDatasetError
from tests.ldnas.data.reading import decoded

RANDOM = np.random.default_rng(0)
X = RANDOM.integers(0, 256, (30, 5, 4), dtype=np.uint8)
X[0, 0, :2] = 0, 255
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


SPLITS = [Split.TRAIN] * 20 + [Split.VALIDATION] * 5 + [Split.TEST] * 5


@pytest.mark.parametrize(
    ("names", "given"),
    [
        ("train_images train_labels val_images val_labels test_images test_labels", SPLITS),  # MedMNIST
        ("x_train y_train x_val y_val x_test y_test", SPLITS),
        ("X_train Y_train X_valid Y_valid", SPLITS[:25]),
        ("train_image train_label", SPLITS[:20]),
        ("x y", [None] * 20),
        ("images labels", [None] * 20),
        ("data target", [None] * 20),
        ("train_data train_targets", SPLITS[:20]),
    ],
)
def test_the_names_of_the_arrays_give_the_splits(tmp_path, names, given):
    places = {split: np.flatnonzero([split == one for one in SPLITS]) for split in Split}
    pairs = zip(names.split()[::2], names.split()[1::2], places.values(), strict=False)
    arrays = {}
    for images, labels, rows in reversed([*pairs]):  # the file's order does not matter
        arrays |= {labels: Y[rows, None].astype(np.uint8), images: X[rows]}
    np.savez(tmp_path / "a.npz", **arrays)
    raw = decoded(read_npz(tmp_path / "a.npz"))
    np.testing.assert_array_equal(np.stack(raw.images)[..., 0], X[: len(given)])
    assert raw.given_splits == given
    assert raw.labels == (Y[: len(given)] // 10).tolist()


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (np.array(["Zebra", "ant", "bée"])[Y // 10], ("Zebra", "ant", "bée")),
        (np.array([b"Zebra", b"ant", b"bat"])[Y // 10], ("Zebra", "ant", "bat")),
        (np.eye(3)[Y // 10], ("0", "1", "2")),
        (np.eye(3, dtype=bool)[Y // 10], ("0", "1", "2")),
        (Y == 0, ("0", "1")),
        (Y.astype(np.float64), ("0", "10", "20")),
    ],
    ids=["texts", "bytes", "one-hot", "one-hot booleans", "booleans", "whole floating-point numbers"],
)
def test_labels_are_texts_one_hot_rows_booleans_or_whole_numbers(tmp_path, labels, names):
    raw = decoded(read_npz(write(tmp_path / "a.npz", y_train=labels[:20], y_test=labels[20:])))
    assert raw.class_names == names
    expected = (Y == 0).astype(int) if len(names) == 2 else Y // 10
    assert raw.labels == expected.tolist()


@pytest.mark.parametrize(
    ("stored", "value_range"),
    [
        ((X / 255).astype(np.float32), ValueRange(0, 1)),
        (X.astype(np.float64), ValueRange(0, 255)),
        (X.astype(">u2"), ValueRange(0, 255)),
        ((X.astype(np.int32) * 257 - 32768).astype(np.int16), ValueRange(-32768, 32767)),
    ],
    ids=["from 0 to 1", "floating point to 255", "16 bits", "16 bits with a sign"],
)
def test_numbers_of_more_than_8_bits_are_scaled_to_the_same_dataset(tmp_path, stored, value_range):
    def loaded(name, x):
        path = write(tmp_path / name, x_train=x[:20], x_test=x[20:])
        return load_dataset(DatasetReference(path.as_uri()), roots=[tmp_path], cache=tmp_path)

    wide = loaded("wide.npz", stored)
    assert wide.value_range == value_range
    assert wide.digest == loaded("plain.npz", X).digest


def test_booleans_are_black_and_white(tmp_path):
    raw = decoded(read_npz(write(tmp_path / "a.npz", x_train=X[:20] > 99)))
    np.testing.assert_array_equal(np.stack(raw.images[:20])[..., 0], np.where(X[:20] > 99, 255, 0))
    assert raw.images[0].dtype == np.uint8


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
        ({"y_test": None}, "a.npz: x_test", "'x_test' without its labels"),
        ({"x_train": None, "y_train": None}, "a.npz", "no training images"),
        ({"x": X, "y": Y}, "a.npz", "others without"),
        ({"train_images": X[:20]}, "a.npz", "two arrays for the same images, x_train and train_images"),
        ({"extra": X}, "a.npz: extra", "has an array 'extra'"),
        ({"y_train": Y[:19]}, "a.npz: x_train", "20 images for 19 labels"),
        ({"y_train": Y[:20] + 0.5}, "a.npz: y_train row 0", "the label 0.5; an integer from 0"),
        ({"y_train": np.full(20, np.nan)}, "a.npz: y_train row 0", "the label nan; an integer from 0"),
        ({"y_train": Y[:20] * 1j}, "a.npz: y_train", "complex128; integers from 0 or texts"),
        ({"y_train": np.stack([Y[:20]] * 2, axis=1)}, "a.npz: y_train row 0", "2 columns, and its row 0"),
        ({"y_train": np.eye(3)[Y[:20] // 10] / 2}, "a.npz: y_train row 0", "not exactly one 1 among zeros"),
        ({"y_train": np.ones((20, 3), int)}, "a.npz: y_train row 0", "not exactly one 1 among zeros"),
        ({"y_train": np.zeros((20, 2, 2), int)}, "a.npz: y_train", r"\[20, 2, 2\]"),
        ({"y_test": np.array(["a"] * 10)}, "a.npz: y_test", "texts as labels in one array and integers in another"),
        ({"y_train": np.array(["a", ""] * 10)}, "a.npz: y_train row 1", "empty label"),
        ({"y_train": np.array([b"\xff"] * 20)}, "a.npz: y_train", "not UTF-8"),
        ({"y_train": np.full(20, 0x110000, np.uint32).view("U1")}, "a.npz: y_train", "not UTF-8"),
        ({"y_train": Y[:20] - 10}, "a.npz: y_train row 0", "the label -10"),
        ({"y_train": np.array([{}] * 20)}, "a.npz: y_train", "pickled"),
        ({"x_train": np.array([{}] * 20)}, "a.npz: x_train", "pickled"),
        ({"x_train": X[:20] * 1j}, "a.npz: x_train", "complex128"),
        ({"x_train": np.where(X[:20] == X[1, 0, 0], np.nan, X[:20])}, "a.npz: x_train row", "not finite"),
        ({"x_train": np.zeros((20, 3, 5, 4), np.uint8)}, "a.npz: x_train", "moveaxis"),
        ({"x_train": X[:20, 0]}, "a.npz: x_train", r"\[20, 4\]"),
        ({"x_train": np.zeros((20, 4, 4, 4), np.uint8)}, "a.npz: x_train", r"\[20, 4, 4, 4\]"),
        ({"x_train": np.asfortranarray(X[:20])}, "a.npz: x_train", "ascontiguousarray"),
        ({"x_train": X[:0], "y_train": Y[:0]}, "a.npz: y_train", "N from 1"),
    ],
)
def test_arrays_that_are_not_images_with_labels_are_refused_by_array_and_row(tmp_path, changes, origin, reason):
    with pytest.raises(UnreadableDatasetError, match=reason) as refusal:
        decoded(read_npz(write(tmp_path / "a.npz", **changes)))
    assert refusal.value.origin.startswith(origin)


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
