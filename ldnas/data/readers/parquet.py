"""Parquet in the layout of Hugging Face datasets: a struct column of image bytes, a label column, a file per split."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ldnas.data.dataset import Image, Split
from ldnas.data.decoding import decode_image
from ldnas.data.readers.parquet_footer import rows_at_once
from ldnas.data.readers.records import Entry, Record, Records, require_distinct, split_named
from ldnas.data.reference import DatasetReference, resolve_inside
from ldnas.errors import BrokenImageError, DatasetNotFoundError, InvalidReferenceError, UnreadableDatasetError

_IMAGE_NAMES = ("image", "img")
_LABEL_NAMES = ("label", "labels")


def read_parquet(path: Path, reference: DatasetReference, roots: Sequence[Path], *, name: str | None = None) -> Records:
    """Read one Parquet file, or all those of a folder in the order of their paths.

    - The image column is a struct of `bytes` and `path`, or plain binary; `label` is an integer or a text. Integer
      labels take their names from the `ClassLabel` in the Hugging Face schema metadata; without it, and for text,
      the classes are the distinct values, sorted.
    - The split of a row is the value of `split_column`; else the word in its file name (`train-00000-of-00002.parquet`,
      `mnist_test.parquet`) or a folder above it (`test/0000.parquet`); else none. A reference to a single file gives no
      split.
    - Rows are counted from 0 within their file.

    Args:
        path: an existing file or folder.
        reference: names the columns.
        roots: the folders that links may lead into.
        name: the name of a single file in messages; None for its path.

    Raises:
        DatasetNotFoundError: a folder without Parquet files.
        UnreadableDatasetError: a file is not Parquet, lacks a column, names two classes alike, or has invalid labels
            or splits.
        InvalidReferenceError: the reference names a column that does not exist.
        ForbiddenLocationError: a link leads outside `roots`.
        BrokenImageError, ImageSizeError: from `Record.decode`; `origin` is like `train.parquet row 17`.
    """
    rows = 0
    class_names: tuple[str, ...] | None = None
    for file, file_name, split in _files(path, name or path.name, roots):
        with _opened(file, file_name) as parquet:
            columns = _choose_columns(parquet.schema_arrow, reference, origin=file_name)
            if columns.class_names is not None:
                if class_names not in (None, columns.class_names):
                    raise UnreadableDatasetError(
                        f"{file_name} has other class names than the files before it", origin=file_name
                    )
                # Also checked with all labels; here it costs no decoded image.
                require_distinct(columns.class_names, file_name)
                class_names = columns.class_names
            first_row = 0
            for batch in parquet.iter_batches(rows_at_once(file, columns.image, file_name), columns=columns.names):
                yield from _batch_records(batch, columns, file_name, first_row, split)
                first_row += batch.num_rows
        rows += first_row
    if not rows:
        raise UnreadableDatasetError(f"{name or path} has no rows", field="dataset.uri", origin=name or str(path))
    return class_names


@dataclass(frozen=True)
class _Columns:
    """Column names; `class_names` are those of the label's Hugging Face `ClassLabel`, None without one."""

    image: str
    label: str
    split: str | None
    group: str | None
    class_names: tuple[str, ...] | None

    @property
    def names(self) -> list[str]:
        return [name for name in (self.image, self.label, self.split, self.group) if name is not None]


def _files(path: Path, name: str, roots: Sequence[Path]) -> list[tuple[Path, str, Split | None]]:
    """Each file with its name for messages and the split that its place stands for."""
    if path.is_file():
        return [(path, name, None)]
    found = [file for file in sorted(path.rglob("*.parquet")) if not file.name.startswith(".")]
    if not found:
        raise DatasetNotFoundError(f"{path} has no Parquet file", field="dataset.uri", origin=str(path))
    places = [file.relative_to(path) for file in found]
    splits = [_split_of_place(place) for place in places]
    if any(splits) and not all(splits):
        stray = places[splits.index(None)]
        raise UnreadableDatasetError(
            f"{stray} belongs to no split, while other files do; begin its name with train, validation or test",
            field="dataset.uri",
            origin=str(stray),
        )
    return [
        (resolve_inside(file, roots), str(place), split)
        for file, place, split in zip(found, places, splits, strict=True)
    ]


def _split_of_place(name: Path) -> Split | None:
    """The one split that the words of a file name stand for; else that of the nearest folder named after one."""
    words = name.stem.replace("_", "-").replace(".", "-").split("-")
    named = {split for split in map(split_named, words) if split is not None}
    if len(named) == 1:
        return named.pop()
    return next((split for split in map(split_named, reversed(name.parts[:-1])) if split is not None), None)


@contextmanager
def _opened(file: Path, name: str) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(file) as parquet:
            yield parquet
    # PyArrow reads damaged names as UTF-8 (ValueError), and dates beyond Python's (OverflowError).
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise UnreadableDatasetError(f"{name} cannot be read as Parquet: {error}", origin=name) from error


def _batch_records(
    batch: pa.RecordBatch, columns: _Columns, name: str, first_row: int, split: Split | None
) -> Iterator[Record]:
    labels = batch.column(columns.label).to_pylist()
    splits = batch.column(columns.split).to_pylist() if columns.split else None
    groups = batch.column(columns.group).to_pylist() if columns.group else None
    for row, cell in enumerate(batch.column(columns.image).to_pylist()):
        origin = f"{name} row {first_row + row}"
        entry = Entry(
            origin,
            _label(labels[row], origin),
            split if splits is None else _split(splits[row], origin),
            None if groups is None or groups[row] is None else str(groups[row]),
        )
        yield Record(entry, partial(_decode, cell, origin))


def _decode(cell: Any, origin: str) -> Image:
    content = cell.get("bytes") if isinstance(cell, dict) else cell
    if not isinstance(content, bytes):
        raise BrokenImageError(f"{origin} holds no image bytes", origin=origin)
    return decode_image(content, origin)


def _label(value: Any, origin: str) -> int | str:
    if isinstance(value, int | str) and (isinstance(value, str) or value >= 0):
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


def _choose_columns(schema: pa.Schema, reference: DatasetReference, *, origin: str) -> _Columns:
    """The columns that a reference names; for a column without a name the usual one, or the only one of its type.

    Raises:
        InvalidReferenceError: the reference names a column that does not exist.
        UnreadableDatasetError: no column, or more than one, could be the image or the label.
    """
    for key in ("image_column", "label_column", "split_column", "group_column"):
        name = getattr(reference, key)
        if name is not None and name not in schema.names:
            raise InvalidReferenceError(
                f"{origin} has no column {name!r}; it has {', '.join(schema.names)}", field=f"dataset.{key}"
            )
    features = _features(schema)
    images = [column.name for column in schema if _holds_images(column.type)]
    label_classes = {name: _class_names(feature) for name, feature in features.items()}
    labels = [name for name in schema.names if label_classes.get(name) is not None]
    label = reference.label_column or _only("label", _LABEL_NAMES, labels, schema, origin)
    columns = _Columns(
        image=reference.image_column or _only("image", _IMAGE_NAMES, images, schema, origin),
        label=label,
        split=reference.split_column,
        group=reference.group_column,
        class_names=label_classes.get(label),
    )
    for name in columns.names:
        if schema.names.count(name) > 1:
            raise UnreadableDatasetError(f"{origin} has two columns called {name!r}", origin=origin)
    return columns


def _only(kind: str, usual: tuple[str, ...], candidates: list[str], schema: pa.Schema, origin: str) -> str:
    present = [name for name in usual if name in schema.names]
    if present:
        return present[0]
    if len(candidates) == 1:
        return candidates[0]
    raise UnreadableDatasetError(
        f"{origin} does not say which column is the {kind}; name one of {', '.join(schema.names)} as {kind}_column",
        field=f"dataset.{kind}_column",
        origin=origin,
    )


def _holds_images(kind: pa.DataType) -> bool:
    return bool(pa.types.is_struct(kind)) and kind.get_field_index("bytes") >= 0


def _features(schema: pa.Schema) -> dict[str, Any]:
    """The features in the Hugging Face metadata; empty if the metadata is missing or not JSON."""
    try:
        described = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    except (ValueError, RecursionError):
        return {}
    for key in ("info", "features"):
        described = described.get(key) if isinstance(described, dict) else None
    return described if isinstance(described, dict) else {}


def _class_names(feature: Any) -> tuple[str, ...] | None:
    if not isinstance(feature, dict) or feature.get("_type") != "ClassLabel":
        return None
    names = feature.get("names")
    if not isinstance(names, list) or not names or not all(isinstance(name, str | int) for name in names):
        return None
    texts = tuple(str(name) for name in names)
    return texts if all(map(_is_text, texts)) else None


def _is_text(name: str) -> bool:
    """Whether the name can be encoded as UTF-8 for a response: half of a surrogate pair cannot."""
    return all(not "\ud800" <= sign <= "\udfff" for sign in name)
