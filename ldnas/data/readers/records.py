"""The records that a reader yields, and the usual names of splits."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

from ldnas.data.dataset import Split
from ldnas.data.scaling import Pixels

_SPLIT_NAMES = {
    "train": Split.TRAIN,
    "training": Split.TRAIN,
    "validation": Split.VALIDATION,
    "valid": Split.VALIDATION,
    "val": Split.VALIDATION,
    "dev": Split.VALIDATION,
    "test": Split.TEST,
    "testing": Split.TEST,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """The description of an image in its dataset.

    Attributes:
        origin: the row or path of the image.
        label: the index of its class where the dataset names its classes, otherwise the class itself.
        given_split: the split that the dataset itself names, or None if it does not name one.
        group: the group of the image (a patient, a camera), which must stay in one split; None for an image without
            one.
    """

    origin: str
    label: int | str
    given_split: Split | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """An image that a reader found.

    Attributes:
        entry: its description.
        decode: returns its pixels `[H, W, C]`, uint8 or of more bits (`Pixels`); may be called until the reader
            continues, since it can need the reader's open file. Raises BrokenImageError and ImageSizeError, see
            `decode_image`.
    """

    entry: Entry
    decode: Callable[[], Pixels]


Records = Generator[Record, None, tuple[str, ...] | None]
"""A reader's images, one record each, in the order of the dataset. A file is open until the iteration ends or stops.

Returns the names of the classes, or None where the labels themselves are the names.
"""


class Reading:
    """One iteration over records.

    Attributes:
        class_names: the reader's class names, known after the last record.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self.class_names: tuple[str, ...] | None = None

    def __iter__(self) -> Iterator[Record]:
        self.class_names = yield from self._records


def held(image: Pixels) -> Callable[[], Pixels]:
    """The `decode` of an image that is in memory."""
    return lambda: image


def split_named(name: str) -> Split | None:
    """The split that a folder, a column value or the beginning of a file name stands for, or None."""
    return _SPLIT_NAMES.get(name.lower())
