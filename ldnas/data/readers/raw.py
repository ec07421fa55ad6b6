"""The output of a reader, and the usual names of splits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ldnas.data.dataset import Image, Split

Take = Callable[[Callable[[], Image]], Image]
"""Called for each image, in the order of the dataset, with a function that decodes it; returns the image to store."""

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
        given_splits: the split that the dataset itself names, or None if it does not name one.
        groups: the group of each image (a patient, a camera), which must stay in one split; None for an image without
            one.
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
    """The `Take` that decodes and stores every image."""
    return decode()
