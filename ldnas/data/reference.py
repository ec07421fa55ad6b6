"""The dataset reference of a request, and its cheap checks: a few stat calls at most."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from ldnas.data.shown_uri import HIDDEN, shown_uri
from ldnas.data.value_range import ValueRange
from ldnas.errors import DatasetNotFoundError, ForbiddenLocationError, InvalidReferenceError

BUILTIN_NAMES = ("digits",)
TORCHVISION_NAMES = ("CIFAR10", "CIFAR100", "FashionMNIST", "KMNIST", "MNIST", "STL10", "SVHN")
COLUMN_KEYS = ("image_column", "label_column", "split_column", "group_column")
FORMATS = ("parquet", "image_folder", "zip", "tar", "npz")

_NAMED_SCHEMES = {"builtin": BUILTIN_NAMES, "torchvision": TORCHVISION_NAMES}
_REMOTE_SCHEMES = ("https", "s3")
_SCHEMES = (*_NAMED_SCHEMES, "file", "dataset", *_REMOTE_SCHEMES)
_UPLOADED_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_SUM_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Fractions:
    """The shares of a dataset's images that train, validation and test are drawn with.

    Each lies in (0, 1); together they are 1. A split that the dataset already has is kept, and the shares of the
    others keep their proportion.

    Raises:
        InvalidReferenceError: a share is not a number in (0, 1), or they do not add up to 1.
    """

    train: float = 0.7
    validation: float = 0.15
    test: float = 0.15

    def __post_init__(self) -> None:
        shares = {"train": self.train, "validation": self.validation, "test": self.test}
        for name, share in shares.items():
            if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1:
                raise InvalidReferenceError(
                    f"{share!r} is not a share; a share is a number between 0 and 1, both excluded",
                    field=f"dataset.fractions.{name}",
                )
        if abs(sum(shares.values()) - 1) > _SUM_TOLERANCE:
            raise InvalidReferenceError(
                f"train, validation and test add up to {sum(shares.values()):g}; they must add up to 1",
                field="dataset.fractions",
            )

    @classmethod
    def from_json(cls, value: Any) -> "Fractions":
        """Read `{"train": 0.7, "validation": 0.15, "test": 0.15}`; all three are needed."""
        if not isinstance(value, Mapping) or set(value) != {"train", "validation", "test"}:
            raise InvalidReferenceError(
                "fractions are an object with exactly the keys train, validation and test", field="dataset.fractions"
            )
        return cls(**value)

    def to_json(self) -> dict[str, float]:
        return {"train": self.train, "validation": self.validation, "test": self.test}


@dataclass(frozen=True)
class DatasetReference:
    """Which dataset, and how its files are to be read.

    Attributes:
        uri: `builtin://digits`, `torchvision://MNIST`, `file:///folder/or/file`, `dataset://uploaded`,
            `https://host/file.zip`, `s3://bucket/file.parquet`.
        format: one of `FORMATS`, or None to detect it from the files.
        image_column, label_column, split_column, group_column: columns of a Parquet file or a table of labels, None for
            the usual names (the last one: none). Images of one group (a patient, a camera) never span two splits.
        fractions: the shares to draw the missing splits with, None for the default ones.
        value_range: the values that become black and white in images with more than 8 bits; None to find it over all
            images (`natural_range`).

    Raises:
        InvalidReferenceError: the URI, its scheme or the format is unknown, or the URI is one that `shown_uri` gave.
    """

    uri: str
    format: str | None = None
    image_column: str | None = None
    label_column: str | None = None
    split_column: str | None = None
    group_column: str | None = None
    fractions: Fractions | None = None
    value_range: ValueRange | None = None

    def __post_init__(self) -> None:
        if self.scheme not in _SCHEMES:
            accepted = ", ".join(f"{scheme}://" for scheme in _SCHEMES)
            raise InvalidReferenceError(
                f"{self.shown!r} is not a dataset URI; accepted: {accepted}", field="dataset.uri"
            )
        if self.format is not None and self.format not in FORMATS:
            raise InvalidReferenceError(
                f"format {self.format!r} is unknown; known: {', '.join(FORMATS)}", field="dataset.format"
            )

    @property
    def scheme(self) -> str:
        return _parts(self.uri).scheme

    @property
    def shown(self) -> str:
        """The URI for messages, answers and files: `shown_uri`."""
        return shown_uri(self.uri)

    @property
    def name(self) -> str:
        """What follows `scheme://`, as written: `digits`, `MNIST`, or a path."""
        parts = _parts(self.uri)
        return unquote(parts.netloc + parts.path)

    @classmethod
    def from_json(cls, value: Any) -> "DatasetReference":
        """Read a reference from its JSON form.

        Raises:
            InvalidReferenceError: it is not an object with a `uri`, or has an unknown key or a value that is not text.
        """
        if not isinstance(value, Mapping) or not isinstance(value.get("uri"), str):
            raise InvalidReferenceError("a dataset is an object with at least a text `uri`", field="dataset.uri")
        text_keys = ("uri", "format", *COLUMN_KEYS)
        keys = (*text_keys, "fractions", "value_range")
        unknown = sorted(set(map(str, value)) - {*keys})
        if unknown:
            raise InvalidReferenceError(
                f"{unknown[0]!r} is not a key of a dataset; the keys are {', '.join(keys)}",
                field=f"dataset.{unknown[0]}",
            )
        for key in text_keys:
            if value.get(key) is not None and (not isinstance(value[key], str) or not value[key]):
                raise InvalidReferenceError(f"{key} must be a text that is not empty", field=f"dataset.{key}")
        fractions, value_range = value.get("fractions"), value.get("value_range")
        return cls(
            uri=value["uri"],
            **{key: value.get(key) for key in ("format", *COLUMN_KEYS)},
            fractions=None if fractions is None else Fractions.from_json(fractions),
            value_range=None if value_range is None else ValueRange.from_json(value_range),
        )

    def to_json(self) -> dict[str, Any]:
        """The JSON form; keys that were not given are absent, so `from_json` gives an equal reference back."""
        texts = {key: getattr(self, key) for key in ("uri", "format", *COLUMN_KEYS)}
        value: dict[str, Any] = {key: text for key, text in texts.items() if text is not None}
        if self.fractions is not None:
            value["fractions"] = self.fractions.to_json()
        if self.value_range is not None:
            value["value_range"] = self.value_range.to_json()
        return value


def check_location(reference: DatasetReference, roots: Sequence[Path]) -> None:
    """Refuse a reference that cannot be loaded, based on names and a few stat calls; nothing is decoded.

    Args:
        reference: the dataset asked for.
        roots: the folders that `file://` may point into, after every symbolic link is followed.

    Raises:
        InvalidReferenceError: no dataset of that name is known (an uploaded dataset: the name is invalid), or a remote
            reference does not name a file of a host. The caller decides whether the host may be reached.
        ForbiddenLocationError: a file lies outside `roots`.
        DatasetNotFoundError: the path does not exist.
    """
    if reference.scheme == "file":
        resolve_file(reference, roots)
        return
    if reference.scheme == "dataset":
        _check_uploaded(reference)
        return
    if reference.scheme in _REMOTE_SCHEMES:
        _check_remote(reference)
        return
    names = _NAMED_SCHEMES[reference.scheme]
    if reference.name not in names:
        raise InvalidReferenceError(
            f"{reference.scheme}:// has no dataset {reference.name!r}; it has {', '.join(names)}", field="dataset.uri"
        )
    _refuse_file_options(reference)


def resolve_file(reference: DatasetReference, roots: Sequence[Path]) -> Path:
    """The existing path, links followed, that a `file://` reference points to.

    Raises:
        InvalidReferenceError: the URI names a host, or its path is not absolute.
        ForbiddenLocationError: the path lies outside `roots`.
        DatasetNotFoundError: the path does not exist or cannot be accessed.
    """
    parts = _parts(reference.uri)
    path = unquote(parts.path)
    if parts.netloc not in ("", "localhost") or not path.startswith("/") or "\0" in path:
        raise InvalidReferenceError(
            f"{reference.shown!r} is not a local file; write file:///an/absolute/path", field="dataset.uri"
        )
    resolved = resolve_inside(Path(path), roots)
    try:
        exists = resolved.exists()
    except OSError:
        exists = False
    if not exists:
        raise DatasetNotFoundError(f"{path} does not exist or cannot be read", field="dataset.uri", origin=path)
    return resolved


def resolve_inside(path: Path, roots: Sequence[Path]) -> Path:
    """Follow the links of `path`, which must lie in one of `roots`; it need not exist.

    Raises:
        ForbiddenLocationError: it lies elsewhere.
        DatasetNotFoundError: its links form a loop, or it is too long for a path.
    """
    try:
        resolved = path.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise DatasetNotFoundError(f"{str(path)!r} cannot be followed: {error}", field="dataset.uri") from error
    if not any(resolved.is_relative_to(root.resolve()) for root in roots):
        allowed = ", ".join(str(root) for root in roots) or "no folder is open to file://"
        raise ForbiddenLocationError(
            f"{path} lies outside the dataset roots ({allowed})", field="dataset.uri", origin=str(path)
        )
    return resolved


def is_uploaded_name(name: str) -> bool:
    """Whether an uploaded dataset may have this name: 1 to 64 letters A to Z or a to z, digits and
    `. _ -`, beginning with a letter or digit."""
    return _UPLOADED_NAME.fullmatch(name) is not None


def _check_uploaded(reference: DatasetReference) -> None:
    # The URI as written: one dataset has one URI, by which its tasks are found.
    if not is_uploaded_name(reference.uri.removeprefix("dataset://")):
        raise InvalidReferenceError(
            f"{reference.shown!r} does not name a dataset; write dataset://NAME", field="dataset.uri"
        )
    if reference.format is not None:
        raise InvalidReferenceError(
            "format is for files elsewhere; the format of an uploaded file is already known", field="dataset.format"
        )


def _check_remote(reference: DatasetReference) -> None:
    parts = _parts(reference.uri)
    if not parts.netloc or parts.path in ("", "/"):
        raise InvalidReferenceError(
            f"{reference.shown!r} does not name a file; write https://host/path/to/file or s3://bucket/path/to/file",
            field="dataset.uri",
        )
    if reference.format == "image_folder":
        raise InvalidReferenceError(
            f"{reference.scheme}:// reaches single files; put the folder into a .zip", field="dataset.format"
        )


def _refuse_file_options(reference: DatasetReference) -> None:
    """Refuse options that would silently do nothing: a built-in dataset has one layout."""
    for key in ("format", *COLUMN_KEYS, "value_range"):
        if getattr(reference, key) is not None:
            raise InvalidReferenceError(
                f"{key} is for files; {reference.scheme}://{reference.name} has one known layout",
                field=f"dataset.{key}",
            )


def _parts(uri: str) -> SplitResult:
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise InvalidReferenceError(f"{shown_uri(uri)!r} is not a URI: {error}", field="dataset.uri") from error
    # Only a web server uses a query.
    if (parts.query and parts.scheme != "https") or parts.fragment:
        raise InvalidReferenceError(
            f"{shown_uri(uri)!r} has a query or a fragment; write ? as %3F and # as %23 in a path", field="dataset.uri"
        )
    if parts.query == HIDDEN:
        raise InvalidReferenceError(
            f"{shown_uri(uri)!r} is how a URL with a query is shown, without the query; write the URL with its query",
            field="dataset.uri",
        )
    return parts
