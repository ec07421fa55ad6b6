"""A table of labels next to the images: `metadata.csv` (Hugging Face's name) or `labels.csv`."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from ldnas.data.dataset import Split
from ldnas.data.readers.file_names import in_order, normalised, shown
from ldnas.data.readers.image_content import SUFFIXES
from ldnas.data.readers.labelled import Labelled
from ldnas.data.readers.passed_over import PassedOver, Reason
from ldnas.data.readers.records import split_named
from ldnas.data.reference import DatasetReference
from ldnas.errors import InvalidReferenceError, UnreadableDatasetError

NAMES = ("metadata.csv", "labels.csv")
MAX_TABLE_BYTES = 256 * 2**20

_FILE_COLUMNS = ("file_name", "filename", "file", "image", "image_path", "path", "image_name", "image_id", "img", "id")
_LABEL_COLUMNS = ("label", "labels", "class", "class_name", "category", "target", "label_name", "breed", "diagnosis")
_DELIMITERS = ",;\t"
_MOST_DIGITS = 18  # a longer number is a text


@dataclass(frozen=True)
class Columns:
    """The columns of a table; None for one that it does not have."""

    file: str
    label: str
    split: str | None
    group: str | None


class LabelTable:
    """The rows of a table.

    Args:
        content: the file.
        place: its path among the images.
        reference: names the columns that do not have the usual names.

    Raises:
        UnreadableDatasetError: it is not a table in UTF-8, or does not say which column has the file names or labels.
        InvalidReferenceError: the reference names a column that it does not have.
    """

    def __init__(self, content: bytes, place: PurePosixPath, reference: DatasetReference) -> None:
        self.place = place
        self.name = shown(place)
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise self._refusal("is not UTF-8; save it as CSV in UTF-8") from error
        header = text.partition("\n")[0]
        delimiter = max(_DELIMITERS, key=header.count)
        try:
            rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
        except csv.Error as error:
            raise self._refusal(f"cannot be read as CSV: {error}") from error
        self.header = [cell.strip() for cell in rows[0]] if rows else []
        self._rows = [(number, row) for number, row in enumerate(rows[1:], start=2) if any(row)]
        self.columns = self._choose(reference)
        if not self._rows:
            raise self._refusal("has no rows")

    def label(self, images: Sequence[PurePosixPath], split: Split | None, passed: PassedOver) -> list[Labelled]:
        """The images that rows name, in the order of their paths; the others are passed over.

        A row names an image by its path from the table's folder, or by its name alone where one image has it, with or
        without its suffix.

        Args:
            images: all images below the table's folder.
            split: that of the folder; a split column says it for each row.
            passed: gets the images that no row names.

        Raises:
            UnreadableDatasetError: a row names an image that does not exist, or that another row names; has no label,
                or another split than train, validation and test.
        """
        known = _by_name(images, self.place.parent)
        found: dict[PurePosixPath, Labelled] = {}
        labels = _numbers_as_such([self._cell(number, row, self.columns.label) for number, row in self._rows])
        for (number, row), label in zip(self._rows, labels, strict=True):
            named = self._cell(number, row, self.columns.file).replace("\\", "/").removeprefix("./")
            image = known.get(normalised(named))
            if image is None:
                reason = "which several images are called" if normalised(named) in known else "but no such image exists"
                raise self._refusal(f"row {number} names {named!r}, {reason}", number)
            if image in found:
                raise self._refusal(f"row {number} names {named!r}, which a row above it names too", number)
            found[image] = Labelled(
                image,
                label,
                split if self.columns.split is None else self._split(number, row),
                self._group(row),
            )
        for image in images:
            if image not in found:
                passed.add(Reason.WITHOUT_ROW, image)
        return [found[image] for image in sorted(found, key=in_order)]

    def _choose(self, reference: DatasetReference) -> Columns:
        asked = {key: getattr(reference, f"{key}_column") for key in ("image", "label", "split", "group")}
        for key, column in asked.items():
            if column is not None and column not in self.header:
                raise InvalidReferenceError(
                    f"{self.name} has no column {column!r}; it has {', '.join(self.header)}",
                    field=f"dataset.{key}_column",
                )
        for column in self.header:
            if self.header.count(column) > 1:
                raise self._refusal(f"has two columns called {column!r}")
        return Columns(
            file=asked["image"] or self._usual("image", _FILE_COLUMNS, "the file names"),
            label=asked["label"] or self._usual("label", _LABEL_COLUMNS, "the labels"),
            split=asked["split"] or self._first(("split",)),
            group=asked["group"],
        )

    def _usual(self, key: str, usual: Sequence[str], what: str) -> str:
        found = self._first(usual)
        if found is None:
            raise UnreadableDatasetError(
                f"{self.name} does not say which column has {what}; call it {usual[0]}, or name one of "
                f"{', '.join(self.header)} as {key}_column",
                field=f"dataset.{key}_column",
                origin=self.name,
            )
        return found

    def _first(self, usual: Sequence[str]) -> str | None:
        by_name = {column.lower().replace(" ", "_"): column for column in reversed(self.header)}
        return next((by_name[name] for name in usual if name in by_name), None)

    def _cell(self, number: int, row: Sequence[str], column: str) -> str:
        place = self.header.index(column)
        text = row[place].strip() if place < len(row) else ""
        if not text:
            raise self._refusal(f"row {number} has nothing in its column {column!r}", number)
        return text

    def _split(self, number: int, row: Sequence[str]) -> Split:
        assert self.columns.split is not None
        text = self._cell(number, row, self.columns.split)
        split = split_named(text)
        if split is None:
            raise self._refusal(f"row {number} has the split {text!r}; train, validation and test are read", number)
        return split

    def _group(self, row: Sequence[str]) -> str | None:
        if self.columns.group is None:
            return None
        place = self.header.index(self.columns.group)
        return (row[place].strip() or None) if place < len(row) else None

    def _refusal(self, reason: str, row: int | None = None) -> UnreadableDatasetError:
        origin = self.name if row is None else f"{self.name} row {row}"
        return UnreadableDatasetError(f"{self.name} {reason}", field="dataset.uri", origin=origin)


def _numbers_as_such(labels: Sequence[str]) -> Sequence[int | str]:
    """The labels as integers if all are, so that classes sort by value; `007` is a text, and so are its companions."""
    if all(label.isascii() and label.isdigit() and label == str(int(label[:_MOST_DIGITS])) for label in labels):
        return [int(label) for label in labels]
    return [normalised(label) for label in labels]


def _by_name(images: Sequence[PurePosixPath], folder: PurePosixPath) -> Mapping[str, PurePosixPath | None]:
    """The images by every name that a row may use; None for a name that several images have.

    A whole path comes before one without its suffix, and both before a name without its folders.
    """
    found: dict[str, PurePosixPath | None] = {}
    for whole in (False, True):
        for suffix in (False, True):
            names: dict[str, PurePosixPath | None] = {}
            for image in images:
                path = image.relative_to(folder) if whole else PurePosixPath(image.name)
                if suffix or path.suffix.lower() in SUFFIXES:
                    name = normalised(str(path if suffix else path.with_suffix("")))
                    names[name] = None if name in names else image
            found |= names
    return found
