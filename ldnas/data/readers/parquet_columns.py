"""Chooses the columns of a Parquet file by their names, their types and Hugging Face's metadata."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ldnas.data.reference import DatasetReference
from ldnas.errors import InvalidReferenceError, UnreadableDatasetError

SPLIT_NAME = "split"

_IMAGE_NAMES = ("image", "img")
_LABEL_NAMES = ("label", "labels")


@dataclass(frozen=True)
class Columns:
    """Column names; `class_names` are those of the label's Hugging Face `ClassLabel`, None without one."""

    image: str
    label: str
    split: str | None
    group: str | None
    class_names: tuple[str, ...] | None

    @property
    def names(self) -> list[str]:
        return [name for name in (self.image, self.label, self.split, self.group) if name is not None]


def choose_columns(schema: pa.Schema, reference: DatasetReference, *, origin: str) -> Columns:
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
    columns = Columns(
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


def split_column(schema: pa.Schema, used: Sequence[str]) -> str | None:
    """The one column called `split` that is not used for something else."""
    found = [name for name in schema.names if name.lower() == SPLIT_NAME and name not in used]
    return found[0] if len(found) == 1 else None


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
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
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
