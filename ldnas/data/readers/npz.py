"""NumPy archives of images and labels: `x_train` and `y_train`, `train_images` and `train_labels`, and the like."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ldnas.data.dataset import Split
from ldnas.data.decoding import check_size
from ldnas.data.readers.records import Entry, Record, Records, held, split_named
from ldnas.data.readers.zip_archive import Archive, open_archive
from ldnas.data.scaling import Pixels
from ldnas.errors import UnreadableDatasetError

_IMAGE_WORDS = ("x", "image", "images", "data")
_LABEL_WORDS = ("y", "label", "labels", "target", "targets")
_LAYOUTS = (
    "x_train and y_train, or train_images and train_labels; the same with val and test where there are such images; or "
    "x and y, images and labels for images without a split"
)
_LABELS_READ = "integers from 0 or texts of shape [N] or [N, 1], or one-hot rows [N, K], N from 1,"
_IMAGES_READ = "integers, booleans or floating-point numbers of shape [N, H, W], [N, H, W, 1] or [N, H, W, 3]"
_CHUNK_BYTES = 2**20
_HEADER_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_CHANNELS = (1, 3)
# Longer numbers exist on some processors alone.
_LONGEST_NUMBER_BYTES = 8


def read_npz(path: Path, *, name: str | None = None) -> Records:
    """Read pairs of arrays, the images and the labels of a split.

    - The names are a word for the images (`x`, `image`, `images`, `data`) or the labels (`y`, `label`, `labels`,
      `target`, `targets`), and one for the split or none, joined by `_` in either order: `x_train`, `train_images`
      (MedMNIST). A split that is missing is drawn.
    - Images are `[N, H, W]`, `[N, H, W, 1]` or `[N, H, W, 3]`: uint8 as they are, booleans as 0 and 255, other numbers
      as values of more than 8 bits (`ldnas.data.value_range`).
    - Labels are whole numbers from 0 or texts, `[N]` or `[N, 1]`, or rows `[N, K]`, K from 2, of which each has one 1
      among zeros. Classes are the distinct labels, sorted.

    Rows are read one after the other, so no array is held as a whole, and nothing is ever unpickled.

    Args:
        path: an existing file.
        name: the file's name in messages.

    Raises:
        UnreadableDatasetError: see `open_archive`; an array is missing, unknown, pickled, or has another shape or type.
        ImageSizeError: the images are too small or too large.
    """
    name = name or path.name
    with open_archive(path, name) as archive:
        kinds: set[type] = set()
        for part in _parts(archive, name):
            labels = _labels(archive, part.labels, f"{name}: {_array(part.labels)}")
            kinds.add(type(labels[0]))
            if len(kinds) > 1:
                raise UnreadableDatasetError(
                    f"{name} has texts as labels in one array and integers in another; labels of one kind are read",
                    origin=f"{name}: {_array(part.labels)}",
                )
            origin = f"{name}: {_array(part.images)}"
            images = _images(archive, part.images, origin, len(labels))
            for row, image in enumerate(images):
                yield Record(Entry(f"{origin} row {row}", labels[row], part.split), held(image))
    return None


@dataclass(frozen=True)
class _Part:
    """The two arrays of a split; `split` is None where the names have none."""

    split: Split | None
    images: zipfile.ZipInfo
    labels: zipfile.ZipInfo


@dataclass(frozen=True)
class _Header:
    shape: tuple[int, ...]
    dtype: Any


def _array(entry: zipfile.ZipInfo) -> str:
    return entry.filename.removesuffix(".npy")


def _parts(archive: Archive, name: str) -> list[_Part]:
    """The pairs of arrays, in the order train, validation, test."""
    found: dict[tuple[Split | None, bool], zipfile.ZipInfo] = {}
    for entry in archive.entries:
        split, is_image = _role(_array(entry), name)
        if (split, is_image) in found:
            both = f"{_array(found[split, is_image])} and {_array(entry)}"
            raise UnreadableDatasetError(f"{name} has two arrays for the same images, {both}; keep one", origin=name)
        found[split, is_image] = entry
    splits = {split for split, _ in found}
    if None in splits and len(splits) > 1:
        raise UnreadableDatasetError(
            f"{name} has arrays with a split in their name and others without; it may have {_LAYOUTS}", origin=name
        )
    if not splits & {Split.TRAIN, None}:
        raise UnreadableDatasetError(f"{name} has no training images; it may have {_LAYOUTS}", origin=name)
    for split, is_image in [*found]:
        if (split, not is_image) not in found:
            lacking = "labels" if is_image else "images"
            raise UnreadableDatasetError(
                f"{name} has an array {_array(found[split, is_image])!r} without its {lacking}; it may have {_LAYOUTS}",
                origin=f"{name}: {_array(found[split, is_image])}",
            )
    order = [split for split in (None, *Split) if split in splits]
    return [_Part(split, found[split, True], found[split, False]) for split in order]


def _role(array: str, name: str) -> tuple[Split | None, bool]:
    """The split that an array belongs to, and whether it holds the images."""
    words = array.lower().split("_")
    kinds = [word in _IMAGE_WORDS for word in words if word in (*_IMAGE_WORDS, *_LABEL_WORDS)]
    splits = [split for split in map(split_named, words) if split is not None]
    if len(kinds) != 1 or len(splits) > 1 or len(words) != len(kinds) + len(splits):
        raise UnreadableDatasetError(
            f"{name} has an array {array!r}; it may have {_LAYOUTS}", origin=f"{name}: {array}"
        )
    return (splits[0] if splits else None), kinds[0]


def _labels(archive: Archive, entry: zipfile.ZipInfo, origin: str) -> list[int] | list[str]:
    with _opened(archive, entry, origin) as (file, header):
        count = header.shape[0] if header.shape else 0
        is_column = header.shape in ((count,), (count, 1))
        kinds = "iubfUS" if is_column else "iubf"
        if not count or len(header.shape) > 2 or header.dtype.kind not in kinds or not header.dtype.itemsize:
            raise _unreadable(origin, header, _LABELS_READ)
        values = np.frombuffer(file.read(), dtype=header.dtype).reshape(header.shape)
    if not is_column:
        return _of_one_hot(values, origin)
    if header.dtype.kind in "US":
        return _texts(values.reshape(-1), origin)
    return _indices(values.reshape(-1), origin)


def _indices(values: NDArray[Any], origin: str) -> list[int]:
    # `numpy.loadtxt` and pandas store whole numbers as floating-point ones.
    wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0) & (values == np.floor(values))))
    if len(wrong):
        raise UnreadableDatasetError(
            f"{origin} row {wrong[0]} has the label {values[wrong[0]]}; an integer from 0 is read",
            origin=f"{origin} row {wrong[0]}",
        )
    return [int(value) for value in values]


def _texts(values: NDArray[Any], origin: str) -> list[str]:
    try:
        texts = [value.decode() if isinstance(value, bytes) else str(value) for value in values.tolist()]
        for text in texts:
            text.encode()
    # NumPy raises SystemError for a character beyond Unicode's last one.
    except (ValueError, SystemError) as error:
        raise UnreadableDatasetError(f"{origin} has a label that is not UTF-8 text: {error}", origin=origin) from error
    if "" in texts:
        row = texts.index("")
        raise UnreadableDatasetError(f"{origin} row {row} has an empty label", origin=f"{origin} row {row}")
    return texts


def _of_one_hot(values: NDArray[Any], origin: str) -> list[int]:
    ones = values == 1
    wrong = np.flatnonzero((ones.sum(axis=1) != 1) | ((values != 0) & ~ones).any(axis=1))
    if len(wrong):
        raise UnreadableDatasetError(
            f"{origin} has {values.shape[1]} columns, and its row {wrong[0]} has not exactly one 1 among zeros; "
            "an image has one class, as an index [N] or as a one-hot row",
            origin=f"{origin} row {wrong[0]}",
        )
    return [int(index) for index in ones.argmax(axis=1)]


def _images(archive: Archive, entry: zipfile.ZipInfo, origin: str, count: int) -> Iterator[Pixels]:
    """Each row as `[H, W, C]`."""
    with _opened(archive, entry, origin) as (file, header):
        shape = (*header.shape[1:], 1) if len(header.shape) == 3 else header.shape[1:]
        size = header.dtype.itemsize
        if header.dtype.kind not in "iufb" or size > _LONGEST_NUMBER_BYTES or len(shape) != 3:
            raise _unreadable(origin, header, _IMAGES_READ)
        if shape[2] not in _CHANNELS:
            hint = " (numpy.moveaxis(x, 1, -1) puts the channels last)" if shape[0] in _CHANNELS else ""
            raise _unreadable(origin, header, f"{_IMAGES_READ}{hint}")
        if header.shape[0] != count:
            raise UnreadableDatasetError(f"{origin} has {header.shape[0]} images for {count} labels", origin=origin)
        check_size(shape[1], shape[0], origin)
        rows = max(1, _CHUNK_BYTES // (prod(shape) * size))
        for first in range(0, count, rows):
            wanted = min(rows, count - first)
            content = file.read(wanted * prod(shape) * size)
            values = np.frombuffer(content, dtype=header.dtype).reshape(wanted, *shape)
            _check_finite(values, origin, first)
            yield from _pixels(values)
        file.read(1)  # at its end the archive compares the checksum


def _pixels(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind == "b":
        return np.where(values, np.uint8(255), np.uint8(0))
    return values


def _check_finite(values: NDArray[Any], origin: str, first: int) -> None:
    wrong = np.flatnonzero(~np.isfinite(values).all(axis=(1, 2, 3)))
    if len(wrong):
        row = f"{origin} row {first + wrong[0]}"
        raise UnreadableDatasetError(f"{row} has values that are not finite; finite numbers are read", origin=row)


@contextmanager
def _opened(archive: Archive, entry: zipfile.ZipInfo, origin: str) -> Iterator[tuple[IO[bytes], _Header]]:
    """The bytes of an array and its header."""
    with archive.opened(entry) as file:
        try:
            shape, fortran, dtype = _HEADER_READERS[npy.read_magic(file)](file)
        except (ValueError, KeyError, SyntaxError, TypeError, TokenError, RecursionError) as error:
            raise UnreadableDatasetError(
                f"{origin} is not an array that NumPy stored: {error}", origin=origin
            ) from error
        header = _Header(shape, dtype)
        if dtype.hasobject:
            raise UnreadableDatasetError(
                f"{origin} holds pickled objects, which are never read; save numbers or texts (numpy.array(labels, "
                "dtype=str))",
                origin=origin,
            )
        if fortran and len(shape) > 1:
            raise UnreadableDatasetError(
                f"{origin} is stored column by column; save numpy.ascontiguousarray of it", origin=origin
            )
        if prod(shape) * dtype.itemsize != entry.file_size - file.tell():
            raise UnreadableDatasetError(f"{origin} does not have as many bytes as its header says", origin=origin)
        yield file, header


def _unreadable(origin: str, header: _Header, accepted: str) -> UnreadableDatasetError:
    return UnreadableDatasetError(
        f"{origin} has shape {list(header.shape)} and type {header.dtype}; {accepted} are read", origin=origin
    )
