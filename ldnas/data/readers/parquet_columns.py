"""Which columns of a Parquet file hold the image, the label, the split and the group."""

import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ldnas.data.reference import DatasetReference
from ldnas.errors import InvalidReferenceError, UnreadableDatasetError

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
    """The columns that a reference names; without a name the usual one, or the only one of its kind.

    Raises:
        InvalidReferenceError: a column that the reference names is not there.
        UnreadableDatasetError: no column, or more than one, could be the image or the label.
    """
    for key in ("image_column", "label_column", "split_column", "group_column"):
        name = getattr(reference, key)
        if name is not None and name not in schema.names:
            raise InvalidReferenceError(
                f"{origin} has no column {name!r}; it has {', '.join(schema.names)}", field=f"dataset.{key}"
            )
    features = _features(schema)
    images = [field.name for field in schema if _holds_images(field.type)]
    label_classes = {name: _class_names(feature) for name, feature in features.items()}
    labels = [name for name in schema.names if label_classes.get(name) is not None]
    label = reference.label_column or _only("label", _LABEL_NAMES, labels, schema, origin)
    return Columns(
        image=reference.image_column or _only("image", _IMAGE_NAMES, images, schema, origin),
        label=label,
        split=reference.split_column,
        group=reference.group_column,
        class_names=label_classes.get(label),
    )


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
    """The features that the Hugging Face metadata describes; none if there is no such metadata, or it is no JSON."""
    try:
        described = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    except ValueError:
        return {}
    features = described.get("info", {}).get("features", {}) if isinstance(described, dict) else {}
    return features if isinstance(features, dict) else {}


def _class_names(feature: Any) -> tuple[str, ...] | None:
    if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and feature.get("names"):
        return tuple(str(name) for name in feature["names"])
    return None
