"""Reads the classic data sets that torchvision can download."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from torchvision import datasets

from ldnas.data.dataset import Split
from ldnas.data.readers.records import Entry, Record, Records, Summary, held
from ldnas.errors import DatasetNotFoundError

_DIGIT_NAMES = tuple(str(digit) for digit in range(10))
_SPLIT_BY_NAME = ("STL10", "SVHN")  # these take split="train", the others train=True


def read_torchvision(name: str, cache: Path) -> Records:
    """A set of `torchvision.datasets` with its own test split, fetched into `cache` the first time.

    Args:
        name: one of `ldnas.data.reference.TORCHVISION_NAMES`.
        cache: the folder for downloads; a lock file in it keeps two processes from fetching one set at once.

    Raises:
        DatasetNotFoundError: it is not in `cache` and cannot be fetched, or its files are damaged.
    """
    cache.mkdir(parents=True, exist_ok=True)
    for split in (Split.TRAIN, Split.TEST):
        with _locked(cache / f"{name}.lock"):
            part = _fetch(name, split, cache)
        pixels = _channels_last(np.asarray(part.data))
        labels = part.labels if hasattr(part, "labels") else part.targets
        for row, (image, label) in enumerate(zip(pixels, labels, strict=True)):
            yield Record(Entry(f"{name} {split} row {row}", int(label), split), held(image))
    # MNIST calls its classes "0 - zero"; SVHN names none.
    return Summary(_DIGIT_NAMES if name in ("MNIST", "SVHN") else tuple(part.classes))


def _fetch(name: str, split: Split, cache: Path) -> Any:
    choice = {"split": str(split)} if name in _SPLIT_BY_NAME else {"train": split is Split.TRAIN}
    try:
        return getattr(datasets, name)(root=cache, download=True, **choice)
    except (OSError, RuntimeError) as error:
        raise DatasetNotFoundError(
            f"torchvision could not fetch {name} into {cache}: {error}", field="dataset.uri"
        ) from error


def _channels_last(pixels: np.ndarray) -> np.ndarray:
    """uint8 `[N, H, W, C]` from `[N, H, W]`, `[N, C, H, W]` or `[N, H, W, C]`."""
    if pixels.ndim == 3:
        return pixels[:, :, :, None]
    return np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)) if pixels.shape[1] == 3 else pixels


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
