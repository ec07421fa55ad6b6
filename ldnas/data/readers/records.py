"""The records that a reader yields, and the usual names of splits."""

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from unicodedata import normalize

from ldnas.data.dataset import Split
from ldnas.data.decoding import Picture
from ldnas.data.scaling import Pixels
from ldnas.errors import UnreadableDatasetError

# The words of Hugging Face's `datasets` (data_files.py, 2.14), and others that published sets use.
_SPLIT_WORDS = {
    **dict.fromkeys(("train", "training", "trainset", "trainingset", "trn"), Split.TRAIN),
    **dict.fromkeys(("validation", "valid", "val", "dev", "development", "validate"), Split.VALIDATION),
    **dict.fromkeys(("valset", "validset", "validationset", "devset"), Split.VALIDATION),
    **dict.fromkeys(("test", "testing", "eval", "evaluation", "holdout", "tst"), Split.TEST),
    **dict.fromkeys(("testset", "evalset", "testingset"), Split.TEST),
}
_FILLING_WORDS = frozenset(
    ("set", "seg", "data", "dataset", "split", "folder", "images", "image", "imgs", "img", "the", "all", "files")
)
_YEAR = re.compile(r"(?<=[a-z])20\d\d$")
# `01_train` is the first of several folders; `split=train` is a partition of Hive, Spark and PyArrow.
_PREFIX = re.compile(r"^(?:split=|\d+[\s_.\-]+)")


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
        decode: returns its pixels, uint8 or of more bits (`Pixels`), and its size; may be called until the reader
            continues, since it can need the reader's open file. Raises BrokenImageError and ImageSizeError, see
            `decode_picture`.
    """

    entry: Entry
    decode: Callable[[], Picture]


@dataclass(frozen=True, slots=True)
class Summary:
    """The facts that a reader knows after the last record.

    Attributes:
        class_names: the names of the classes, or None where the labels themselves are the names.
        warnings: sentences on files and columns that were left out or ignored, and on doubtful classes.
    """

    class_names: tuple[str, ...] | None = None
    warnings: tuple[str, ...] = ()


Records = Generator[Record, None, Summary | None]
"""A reader's images, one record each, in the order of the dataset. A file is open until the iteration ends or stops.

Returns None for a summary without content.
"""


class Reading:
    """One iteration over records.

    Attributes:
        summary: the reader's summary, with what `decode` found; known after the last record.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._with_more: list[str] = []
        self.summary = Summary()

    def __iter__(self) -> Iterator[Record]:
        read = (yield from self._records) or Summary()
        self.summary = replace(read, warnings=(*read.warnings, *self._cut()))

    def decode(self, record: Record) -> Picture:
        """`record.decode()`; a file of which only the first frame or page is read is noted."""
        picture = record.decode()
        if picture.has_more:
            self._with_more.append(record.entry.origin)
        return picture

    def _cut(self) -> list[str]:
        if not self._with_more:
            return []
        first, *others = self._with_more
        if not others:
            return [f"passed over: all frames or pages but the first of 1 image ({first})"]
        return [f"passed over: all frames or pages but the first of {len(others) + 1:,} images ({first}, …)"]


def held(image: Pixels) -> Callable[[], Picture]:
    """The `decode` of an image that is in memory."""
    return lambda: Picture.whole(image)


def require_distinct(class_names: Sequence[str], origin: str | None = None) -> None:
    """Refuse two classes of one name: no label, report or network could distinguish them.

    Raises:
        UnreadableDatasetError: two names are equal, or differ only in how an accented letter is composed.
    """
    first_of: dict[str, int] = {}
    for index, name in enumerate(class_names):
        first = first_of.setdefault(normalize("NFC", name), index)
        if first != index:
            raise UnreadableDatasetError(
                f"{origin or 'the dataset'} has two classes called {name!r}, {first} and {index}; give each class a "
                "name of its own, or each image of both the same label",
                origin=origin,
            )


def split_named(name: str) -> Split | None:
    """The split that a folder, a column value or the beginning of a file name stands for, or None.

    Words such as `set` and `images` next to that of the split do not count, nor does a year, a number before it, or
    the name of a partition: `training_set`, `seg_train`, `Test Images`, `val2017`, `01_train`, `split=train`.
    """
    text = _PREFIX.sub("", name.lower())
    words = [word for word in re.split(r"[\s_.\-]+", text) if word and word not in _FILLING_WORDS]
    if len(words) == 1 or words == ["hold", "out"]:
        return _SPLIT_WORDS.get(_YEAR.sub("", "".join(words)))
    return None
