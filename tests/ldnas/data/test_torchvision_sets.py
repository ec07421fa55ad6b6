import struct
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from torchvision import datasets

from ldnas.data.dataset import Split
from ldnas.data.load import load_dataset
from ldnas.data.readers.torchvision_sets import read_torchvision
from ldnas.data.reference import TORCHVISION_NAMES, DatasetReference
from ldnas.errors import DatasetNotFoundError
from tests.ldnas.data.reading import decoded


def write_idx(path: Path, values: np.ndarray) -> None:
    """The format of MNIST's files: zero, zero, type 8 (uint8), dimensions, each size, the values."""
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header + values.tobytes())


def test_mnist_is_read_from_the_cache_with_its_own_test_split(tmp_path):
    raw_folder = tmp_path / "MNIST" / "raw"
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 28, 28), dtype=np.uint8)
    labels = np.arange(60, dtype=np.uint8) % 10
    write_idx(raw_folder / "train-images-idx3-ubyte", images[:50])
    write_idx(raw_folder / "train-labels-idx1-ubyte", labels[:50])
    write_idx(raw_folder / "t10k-images-idx3-ubyte", images[50:])
    write_idx(raw_folder / "t10k-labels-idx1-ubyte", labels[50:])
    dataset = load_dataset(DatasetReference("torchvision://MNIST"), roots=[], cache=tmp_path)
    np.testing.assert_array_equal(np.stack(dataset.images)[:, :, :, 0], images)
    np.testing.assert_array_equal(dataset.labels, labels)
    np.testing.assert_array_equal(dataset.indices(Split.TEST), np.arange(50, 60))
    assert dataset.class_names == tuple("0123456789")
    assert dataset.origins[50] == "MNIST test row 0"


@pytest.mark.parametrize(
    ("name", "choice", "attribute", "shape"),
    [("CIFAR10", {"train": True}, "targets", (2, 32, 32, 3)), ("STL10", {"split": "train"}, "labels", (2, 3, 96, 96))],
)
def test_colour_sets_have_their_channels_last(tmp_path, monkeypatch, name, choice, attribute, shape):
    pixels = np.arange(np.prod(shape)).astype(np.uint8).reshape(shape)
    asked = []

    def stand_in(root, download, **options):
        asked.append(options)
        return SimpleNamespace(data=pixels, classes=["a", "b"], **{attribute: [0, 1]})

    monkeypatch.setattr(datasets, name, stand_in)
    raw = decoded(read_torchvision(name, tmp_path))
    assert asked[0] == choice
    assert raw.images[1].shape == (shape[2], shape[2], 3)
    expected = pixels[1] if name == "CIFAR10" else np.stack(list(pixels[1]), axis=-1)
    np.testing.assert_array_equal(raw.images[1], expected)
    assert raw.class_names == ("a", "b")


def test_a_set_that_cannot_be_fetched_is_not_found(tmp_path, monkeypatch):
    def offline(**options):
        raise RuntimeError("Error downloading cifar-10-python.tar.gz")

    monkeypatch.setattr(datasets, "CIFAR10", offline)
    with pytest.raises(DatasetNotFoundError, match="Error downloading"):
        decoded(read_torchvision("CIFAR10", tmp_path / "new" / "cache"))


def test_every_name_that_is_offered_exists_in_torchvision():
    assert all(hasattr(datasets, name) for name in TORCHVISION_NAMES)
