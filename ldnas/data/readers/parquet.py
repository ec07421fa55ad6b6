"""Parquet in the layout of Hugging Face datasets: a struct column of image bytes, a label column, a file per split."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from posixpath import isfile, normpath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ldnas.data.dataset import Split
from ldnas.data.decoding import Picture, decode_picture
from ldnas.data.readers.file_names import shown
from ldnas.data.readers.file_tree import FileTree
from ldnas.data.readers.image_content import is_image
from ldnas.data.readers.image_folder import decode_file
from ldnas.data.readers.parquet_columns import SPLIT_NAME, Columns, choose_columns, split_column
from ldnas.data.readers.parquet_footer import rows_at_once
from ldnas.data.readers.passed_over import PassedOver, Reason
from ldnas.data.readers.records import Entry, Record, Records, Summary, require_distinct, split_named
from ldnas.data.reference import DatasetReference, resolve_inside
from ldnas.errors import BrokenImageError, UnreadableDatasetError

SUFFIX = ".parquet"

_SHOWN_SIGNS = 40
_NO_LABEL = -1  # Hugging Face's mark, for example in a test split whose labels are secret


Locate = Callable[[str, str], Picture]
"""The image file that a row names: arguments are the path and the row's origin."""


def read_parquet(path: Path, reference: DatasetReference, roots: Sequence[Path], *, name: str | None = None) -> Records:
    """Read one Parquet file.

    - The image column is a struct of `bytes` and `path`, or plain binary, or the path of an image file as text, or a
      list with one of these. `label` is an integer, a whole float or a text. Integer labels take their names from the
      `ClassLabel` in the Hugging Face schema metadata; without it, and for text, the classes are the distinct values,
      sorted. Rows with the label -1, Hugging Face's mark for no label, are passed over.
    - The split of a row is the value of `split_column`; else that of a column `split` whose values are all names of
      splits; else the word in its file name (`train-00000-of-00002.parquet`, `mnist_test.parquet`) or a folder above it
      (`test/0000.parquet`); else none. The name of a single file gives no split.
    - Rows are counted from 0 within their file.

    Args:
        path: an existing file.
        reference: names the columns.
        roots: the folders that paths in the image column may lead into, from the file's folder.
        name: the file's name in messages, where it is a copy, next to which no image file lies; None for its path.

    Raises:
        UnreadableDatasetError: it is not Parquet, lacks a column, names two classes alike, has invalid labels or
            splits, or is a copy that holds paths in place of images.
        InvalidReferenceError: the reference names a column that does not exist.
        ForbiddenLocationError: from `Record.decode`: an image file lies outside `roots`.
        BrokenImageError, ImageSizeError: from `Record.decode`; `origin` is like `train.parquet row 17`.
    """
    locate = _next_to(path, roots) if name is None else _not_uploaded
    shard = _Shard(lambda: nullcontext(path), name or path.name, None, locate)
    passed = PassedOver()
    class_names = yield from _read([shard], reference, passed, name or str(path))
    return Summary(class_names, passed.sentences())


def read_parquet_tree(tree: FileTree, files: Sequence[PurePosixPath], reference: DatasetReference) -> Records:
    """Read all Parquet files of a tree in the order of their paths, see `read_parquet`.

    Args:
        tree: the files; image files in it may be named by rows.
        files: the Parquet files.
        reference: names the columns.

    Raises:
        UnreadableDatasetError: see `read_parquet`; or some files belong to a split and others to none.
        InvalidReferenceError, BrokenImageError, ImageSizeError: see `read_parquet`.
    """
    splits = [_split_of_place(file) for file in files]
    if any(splits) and not all(splits):
        stray = shown(files[splits.index(None)])
        raise UnreadableDatasetError(
            f"{stray} belongs to no split, while other files do; begin its name with train, validation or test",
            field="dataset.uri",
            origin=stray,
        )
    named: set[PurePosixPath] = set()
    shards = [
        _Shard(partial(tree.local, file), shown(file), split, _inside(tree, file, named))
        for file, split in zip(files, splits, strict=True)
    ]
    class_names = yield from _read(shards, reference, tree.passed, tree.name)
    for file in tree.files:
        # A record names its image file when it is decoded, which is before the reader continues.
        if file not in named and file.suffix.lower() != SUFFIX:
            tree.passed.add(Reason.WITHOUT_ROW if is_image(file.suffix, b"") else Reason.NOT_IMAGES, file)
    return Summary(class_names, tree.passed.sentences())


@dataclass(frozen=True)
class _Shard:
    """A Parquet file.

    Attributes:
        local: opens it as a file of this machine.
        name: its name for messages.
        split: the split that its place stands for.
        locate: finds the image files that its rows name.
    """

    local: Callable[[], AbstractContextManager[Path]]
    name: str
    split: Split | None
    locate: Locate


def _read(
    shards: Sequence[_Shard], reference: DatasetReference, passed: PassedOver, name: str
) -> Generator[Record, None, tuple[str, ...] | None]:
    """The records of all files; returns their class names."""
    rows = labelled = 0
    class_names: tuple[str, ...] | None = None
    has_splits = _has_split_column(shards, reference, passed)
    for shard in shards:
        with _opened(shard) as (path, parquet):
            columns = choose_columns(parquet.schema_arrow, reference, origin=shard.name)
            if has_splits:
                columns = replace(columns, split=split_column(parquet.schema_arrow, columns.names))
            if columns.class_names is not None:
                if class_names not in (None, columns.class_names):
                    raise UnreadableDatasetError(
                        f"{shard.name} has other class names than the files before it", origin=shard.name
                    )
                # Also checked with all labels; here it costs no decoded image.
                require_distinct(columns.class_names, shard.name)
                class_names = columns.class_names
            first_row = without_label = 0
            for batch in parquet.iter_batches(rows_at_once(path, columns.image, shard.name), columns=columns.names):
                for record in _batch_records(batch, columns, shard, first_row):
                    if record.entry.label == _NO_LABEL:
                        without_label += 1
                    else:
                        yield record
                first_row += batch.num_rows
        rows += first_row
        labelled += first_row - without_label
        if without_label:
            count = f"{without_label:,} row{'s' if without_label > 1 else ''}"
            passed.say(f"passed over: {count} of {shard.name} with the label -1, which means no label")
    if not labelled:
        reason = f"no row with a label: all {rows:,} have -1, which means none" if rows else "no rows"
        raise UnreadableDatasetError(f"{name} has {reason}", field="dataset.uri", origin=name)
    return class_names


def _has_split_column(shards: Sequence[_Shard], reference: DatasetReference, passed: PassedOver) -> bool:
    """Whether a column called `split` gives the splits: every file has it, and every value is the name of a split.

    A column that is not used is noted.
    """
    if reference.split_column is not None:
        return False
    columns = 0
    reasons: list[str] = []
    for shard in shards:
        with _opened(shard) as (path, parquet):
            named = (reference.image_column, reference.label_column, reference.group_column)
            column = split_column(parquet.schema_arrow, [name for name in named if name is not None])
            columns += column is not None
            if column is None:
                reasons.append(f"since {shard.name} does not have it")
            elif shard.split is not None:
                reasons.append(f"since the name of {shard.name} says {shard.split}")
            elif (value := _no_split(parquet, path, shard.name, column)) is not None:
                reasons.append(f"since {value} in {shard.name} is not train, validation or test")
    if reasons and columns:
        passed.say(f"ignored: the column {SPLIT_NAME!r}, {reasons[0]}; to use it, name it as split_column")
    return not reasons


def _no_split(parquet: pq.ParquetFile, path: Path, name: str, column: str) -> str | None:
    """The first value of a column that is not the name of a split, or None."""
    for batch in parquet.iter_batches(rows_at_once(path, column, name), columns=[column]):
        for value in batch.column(column).to_pylist():
            if not isinstance(value, str) or split_named(value) is None:
                return repr(value)[:_SHOWN_SIGNS]
    return None


def _split_of_place(name: PurePosixPath) -> Split | None:
    """The one split that the words of a file name stand for; else that of the nearest folder named after one."""
    words = name.stem.replace("_", "-").replace(".", "-").split("-")
    named = {split for split in map(split_named, words) if split is not None}
    if len(named) == 1:
        return named.pop()
    return next((split for split in map(split_named, reversed(name.parts[:-1])) if split is not None), None)


def _next_to(path: Path, roots: Sequence[Path]) -> Locate:
    """Finds image files from a file's folder."""

    def locate(place: str, origin: str) -> Picture:
        found = resolve_inside(path.parent / place, roots)
        # Unlike `Path.is_file`, it answers False for a path that is too long.
        if not isfile(found):
            raise _missing(place, origin)
        return decode_picture(found, origin)

    return locate


def _inside(tree: FileTree, file: PurePosixPath, named: set[PurePosixPath]) -> Locate:
    """Finds image files of a tree from a file's folder, else from one above it; `named` gets those found."""
    files = frozenset(tree.files)

    def locate(place: str, origin: str) -> Picture:
        for folder in file.parents:
            found = PurePosixPath(normpath(folder / place))
            if found in files:
                named.add(found)
                return decode_file(tree, found, origin)
        raise _missing(place, origin)

    return locate


def _not_uploaded(place: str, origin: str) -> Picture:
    raise UnreadableDatasetError(
        f"{origin} has the path of an image file ({place!r}) and no image; put the Parquet file and the image files "
        "into one folder, and add that folder or a ZIP file of it",
        origin=origin,
    )


def _missing(place: str, origin: str) -> BrokenImageError:
    return BrokenImageError(
        f"{origin} names the image file {place!r}, which does not exist; a path from the Parquet file's folder is read",
        origin=origin,
    )


@contextmanager
def _opened(shard: _Shard) -> Iterator[tuple[Path, pq.ParquetFile]]:
    """The file's path on this machine, and the file."""
    try:
        with shard.local() as path, pq.ParquetFile(path) as parquet:
            yield path, parquet
    # PyArrow reads damaged names as UTF-8 (ValueError), and dates beyond Python's (OverflowError).
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise UnreadableDatasetError(f"{shard.name} cannot be read as Parquet: {error}", origin=shard.name) from error


def _batch_records(batch: pa.RecordBatch, columns: Columns, shard: _Shard, first_row: int) -> Iterator[Record]:
    labels = batch.column(columns.label).to_pylist()
    splits = batch.column(columns.split).to_pylist() if columns.split else None
    groups = batch.column(columns.group).to_pylist() if columns.group else None
    for row, cell in enumerate(batch.column(columns.image).to_pylist()):
        origin = f"{shard.name} row {first_row + row}"
        entry = Entry(
            origin,
            _label(labels[row], origin),
            shard.split if splits is None else _split(splits[row], origin),
            None if groups is None or groups[row] is None else str(groups[row]),
        )
        yield Record(entry, partial(_decode, cell, origin, shard.locate))


def _decode(cell: Any, origin: str, locate: Locate) -> Picture:
    if isinstance(cell, list):
        if len(cell) != 1:
            raise BrokenImageError(f"{origin} has a list of {len(cell)} images; one image a row is read", origin=origin)
        cell = cell[0]
    content, path = (cell.get("bytes"), cell.get("path")) if isinstance(cell, dict) else (cell, cell)
    if isinstance(content, bytes):
        return decode_picture(content, origin)
    if isinstance(path, str) and path:
        return locate(path, origin)
    raise BrokenImageError(f"{origin} holds no image bytes, and no path of an image file", origin=origin)


def _label(value: Any, origin: str) -> int | str:
    """The label; `_NO_LABEL` for none."""
    # A column of integers with a gap becomes one of floats in pandas.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, int) and value >= _NO_LABEL:
        return value
    raise UnreadableDatasetError(
        f"{origin} has the label {value!r}; an integer from 0 or a text is read", origin=origin
    )


def _split(value: Any, origin: str) -> Split:
    split = split_named(str(value))
    if split is None:
        raise UnreadableDatasetError(
            f"{origin} has the split {value!r}; train, validation and test are read", origin=origin
        )
    return split
