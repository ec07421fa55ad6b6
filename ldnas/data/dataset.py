"""A dataset in memory: decoded images, labels and the one split that all its tasks share."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ldnas.data.value_range import ValueRange
from ldnas.data.wide_values import WideValues
from ldnas.digests import json_digest

Image = NDArray[np.uint8]

_FINGERPRINT_BYTES = 8


class Split(StrEnum):
    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """Images with labels and a split, as they were decoded; nothing is resized.

    Attributes:
        images: N uint8 arrays `[H, W, C]`, C = 1 (grey) or 3; sizes may differ.
        labels: int64 `[N]`, indices into `class_names`.
        class_names: the dataset's own classes.
        origins: the row or path that each image came from, for messages.
        splits: `[N]`, each a value of `Split`.
        digest: SHA-256 over class names and, in order, every image's pixels, label and split. It depends on the order
            of the images and not on how they are stored: a PNG and a Parquet row with equal pixels are equal.
        left_out: how many images outside a given split were dropped because they equal an image of it (or share a
            group with one); see `ldnas.data.split`.
        warnings: `Catalogue.warnings` and `FewLevelsFinder.warnings`.
        wide_values: of the images with more than 8 bits, which were scaled; None where there were none.
    """

    images: Sequence[Image]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    origins: tuple[str, ...]
    splits: NDArray[np.str_]
    digest: str
    left_out: int
    warnings: tuple[str, ...] = ()
    wide_values: WideValues | None = None

    def __len__(self) -> int:
        return len(self.images)

    def indices(self, split: Split) -> NDArray[np.int64]:
        """The positions of a split's images, ascending."""
        return np.flatnonzero(self.splits == split)

    @property
    def value_range(self) -> ValueRange | None:
        """The range that scaled the images with more than 8 bits; None where there were none."""
        return None if self.wide_values is None else self.wide_values.value_range


def content_digest(image: Image) -> bytes:
    """SHA-256 of an image's shape and pixels: equal for two images exactly if they are equal, whatever their files."""
    shape = np.array(image.shape, dtype="<u4").tobytes()
    return hashlib.sha256(shape + image.tobytes()).digest()


def dataset_digest(
    contents: Iterable[bytes], labels: Iterable[int], splits: Iterable[str], class_names: Sequence[str]
) -> str:
    """`ImageDataset.digest` from the images' content digests."""
    digest = hashlib.sha256(json_digest(list(class_names)).encode())
    for content, label, split in zip(contents, labels, splits, strict=True):
        digest.update(content)
        digest.update(f"{label} {split}\n".encode())
    return digest.hexdigest()


def fingerprints(dataset: ImageDataset, *splits: Split) -> bytes:
    """The fingerprints of these splits' images; see `fingerprints_of`."""
    return fingerprints_of(dataset.images[place] for split in splits for place in dataset.indices(split))


def fingerprints_of(images: Iterable[Image]) -> bytes:
    """8 bytes of digest for each distinct image, in ascending order.

    Two different images share a fingerprint with a probability of 1 in 2**64.
    """
    return b"".join(sorted({content_digest(image)[:_FINGERPRINT_BYTES] for image in images}))


def joined_fingerprints(lists: Iterable[bytes]) -> bytes:
    """The fingerprints of several lists as one list, each once, in ascending order."""
    return b"".join(sorted(set().union(*map(_fingerprint_set, lists))))


def count_common(ours: bytes, theirs: bytes) -> int:
    """How many images two lists of fingerprints have in common: test images of one dataset among those of another."""
    return len(_fingerprint_set(ours) & _fingerprint_set(theirs))


def _fingerprint_set(listed: bytes) -> set[bytes]:
    return {listed[start : start + _FINGERPRINT_BYTES] for start in range(0, len(listed), _FINGERPRINT_BYTES)}
