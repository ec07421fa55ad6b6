"""NumPy archives of images and labels: `x_train`, `y_train`, `x_test`, `y_test`."""

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

from ldnas.data.dataset import Image, Split
from ldnas.data.decoding import check_size
from ldnas.data.readers.records import Entry, Record, Records, held
from ldnas.data.readers.zip_archive import Archive, open_archive
from ldnas.errors import UnreadableDatasetError

ARRAYS = ("x_train", "y_train", "x_test", "y_test")

_SPLITS = {"train": Split.TRAIN, "test": Split.TEST}
_CHUNK_BYTES = 2**20
_HEADER_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_CHANNELS = (1, 3)


def read_npz(path: Path, *, name: str | None = None) -> Records:
    """Read images uint8 `[N, H, W]`, `[N, H, W, 1]` or `[N, H, W, 3]` with integer labels `[N]` or `[N, 1]`.

    Both splits are given; classes are the distinct labels, sorted. Rows are read one after the other, so no array is
    held as a whole, and nothing is ever unpickled.

    Args:
        path: an existing file.
        name: the file's name in messages.

    Raises:
        UnreadableDatasetError: see `open_archive`; an array is missing, unknown, pickled, or has another shape or type.
        ImageSizeError: the images are too small or too large.
    """
    name = name or path.name
    with open_archive(path, name) as archive:
        entries = _entries(archive, name)
        for part, split in _SPLITS.items():
            labels = _labels(archive, entries[f"y_{part}"], f"{name}: y_{part}")
            origin = f"{name}: x_{part}"
            images = _images(archive, entries[f"x_{part}"], origin, len(labels))
            for row, (image, label) in enumerate(zip(images, labels, strict=True)):
                yield Record(Entry(f"{origin} row {row}", label, split), held(image))
    return None


@dataclass(frozen=True)
class _Header:
    shape: tuple[int, ...]
    dtype: Any


def _entries(archive: Archive, name: str) -> dict[str, zipfile.ZipInfo]:
    found = {entry.filename.removesuffix(".npy"): entry for entry in archive.entries}
    for array in ARRAYS:
        if array not in found:
            raise UnreadableDatasetError(f"{name} has no array {array}; it needs {', '.join(ARRAYS)}", origin=name)
    for array in found:
        if array not in ARRAYS:
            raise UnreadableDatasetError(
                f"{name} has an array {array!r}; it may have {', '.join(ARRAYS)} alone", origin=f"{name}: {array}"
            )
    return found


def _labels(archive: Archive, entry: zipfile.ZipInfo, origin: str) -> list[int]:
    with _opened(archive, entry, origin) as (file, header):
        count = header.shape[0] if header.shape else 0
        if header.shape not in ((count,), (count, 1)) or header.dtype.kind not in "iu" or not count:
            raise _unreadable(origin, header, "integer labels of shape [N], N from 1,")
        values = np.frombuffer(file.read(), dtype=header.dtype).reshape(-1)
    wrong = np.flatnonzero(values < 0)
    if len(wrong):
        raise UnreadableDatasetError(
            f"{origin} row {wrong[0]} has the label {values[wrong[0]]}; an integer from 0 is read",
            origin=f"{origin} row {wrong[0]}",
        )
    return [int(value) for value in values]


def _images(archive: Archive, entry: zipfile.ZipInfo, origin: str, count: int) -> Iterator[Image]:
    """Each row as uint8 `[H, W, C]`."""
    with _opened(archive, entry, origin) as (file, header):
        grey = len(header.shape) == 3
        shape = (*header.shape[1:], 1) if grey else header.shape[1:]
        if header.dtype != np.uint8 or len(shape) != 3 or shape[2] not in _CHANNELS:
            raise _unreadable(origin, header, "uint8 images of shape [N, H, W], [N, H, W, 1] or [N, H, W, 3]")
        if header.shape[0] != count:
            raise UnreadableDatasetError(f"{origin} has {header.shape[0]} images for {count} labels", origin=origin)
        check_size(shape[1], shape[0], origin)
        rows = max(1, _CHUNK_BYTES // prod(shape))
        for first in range(0, count, rows):
            wanted = min(rows, count - first)
            content = file.read(wanted * prod(shape))
            yield from np.frombuffer(content, dtype=np.uint8).reshape(wanted, *shape)
        file.read(1)  # at its end the archive compares the checksum


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
                f"{origin} holds pickled objects, which are never read; save plain numbers", origin=origin
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
