"""What a reader hands on, and the names that splits go by in the wild."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ldnas.data.dataset import Image, Split

Take = Callable[[Callable[[], Image]], Image]
"""What becomes of each image, in the order of the dataset: given how to decode it, it gives what is kept of it."""

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


@dataclass(frozen=True, eq=False)
class RawDataset:
    """Decoded images before a split is drawn; every sequence has one entry an image.

    Attributes:
        images: uint8 arrays `[H, W, C]`.
        labels: indices into `class_names`.
        class_names: the dataset's own classes.
        origins: the row or path of each image.
        given_splits: the split that the dataset itself names, or None where it names none.
        groups: what must stay in one split (a patient, a camera), or None where an image stands alone.
    """

    images: Sequence[Image]
    labels: Sequence[int]
    class_names: tuple[str, ...]
    origins: Sequence[str]
    given_splits: Sequence[Split | None]
    groups: Sequence[str | None]


def split_named(name: str) -> Split | None:
    """The split that a folder, a column value or the beginning of a file name stands for, or None."""
    return _SPLIT_NAMES.get(name.lower())


def keep_all(decode: Callable[[], Image]) -> Image:
    """The `Take` of whoever wants the dataset itself."""
    return decode()
