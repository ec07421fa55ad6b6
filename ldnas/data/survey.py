"""Checks an uploaded file: decodes every image once, stores none, and reports the contents."""

import io
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from ldnas.data.assemble import with_split
from ldnas.data.dataset import Image, ImageDataset, Split, content_digest
from ldnas.data.readers.files import read_file
from ldnas.data.readers.raw import RawDataset
from ldnas.data.reference import DatasetReference
from ldnas.errors import UnreadableDatasetError

# The memory of a dataset when a job reads it; an image that is small as a file can be large as pixels.
MAX_DECODED_BYTES = 64 * 2**30

SAMPLES_OF_A_CLASS = 6
SAMPLES_IN_ALL = 240
THUMBNAIL_PIXELS = 96

_NOTHING = np.empty((0, 0, 1), dtype=np.uint8)


@dataclass(frozen=True)
class ClassCount:
    """How many images of a class each split has."""

    name: str
    train: int
    validation: int
    test: int


@dataclass(frozen=True)
class Sample:
    """A training image of a class as a PNG whose longer side has at most `THUMBNAIL_PIXELS`; its own size in pixels."""

    class_name: str
    origin: str
    width: int
    height: int
    png: bytes


@dataclass(frozen=True)
class Survey:
    """The contents of a file, as `load_dataset` will read them.

    Attributes:
        digest: `ImageDataset.digest`.
        classes: the dataset's own classes, in order.
        left_out: `ImageDataset.left_out`.
        samples: the first training images of each class, in the order of the classes.
    """

    digest: str
    classes: tuple[ClassCount, ...]
    left_out: int
    samples: tuple[Sample, ...]

    @property
    def images(self) -> int:
        """Images in all splits."""
        return sum(count.train + count.validation + count.test for count in self.classes)


def survey(path: Path, reference: DatasetReference, name: str) -> Survey:
    """Decode every image of a file, one at a time.

    Args:
        path: an existing file.
        reference: names the columns of a Parquet file.
        name: the file's name in messages.

    Raises:
        UnreadableDatasetError, InvalidReferenceError: no reader can read the layout; see the readers. Or the images
            take more than `MAX_DECODED_BYTES`.
        BrokenImageError, ImageSizeError: one image; `origin` names it.
        EmptySplitError: see `draw_split`.
    """
    contents: list[bytes] = []
    decoded_bytes = 0

    def look_at(decode: Callable[[], Image]) -> Image:
        nonlocal decoded_bytes
        image = decode()
        decoded_bytes += image.nbytes
        if decoded_bytes > MAX_DECODED_BYTES:
            raise UnreadableDatasetError(
                f"the images of {name} take more than {MAX_DECODED_BYTES} bytes as pixels", origin=name
            )
        contents.append(content_digest(image))
        return _NOTHING

    raw = read_file(path, reference, [path.parent], take=look_at, name=name)
    dataset = with_split(raw, reference.fractions, contents)
    return Survey(
        digest=dataset.digest,
        classes=_class_counts(dataset),
        left_out=dataset.left_out,
        samples=_samples(path, reference, name, raw, _chosen(dataset)),
    )


def _class_counts(dataset: ImageDataset) -> tuple[ClassCount, ...]:
    counts = Counter(zip(dataset.labels.tolist(), dataset.splits.tolist(), strict=True))
    return tuple(
        ClassCount(name, **{str(split): counts[label, str(split)] for split in Split})
        for label, name in enumerate(dataset.class_names)
    )


def _chosen(dataset: ImageDataset) -> dict[str, str]:
    """The origins of the images to show, with the name of their class, in the order of the classes."""
    each = max(1, min(SAMPLES_OF_A_CLASS, SAMPLES_IN_ALL // len(dataset.class_names)))
    by_class: dict[int, list[str]] = {label: [] for label in range(len(dataset.class_names))}
    # Training images alone: the test images must stay unseen.
    for place in dataset.indices(Split.TRAIN):
        shown = by_class[int(dataset.labels[place])]
        if len(shown) < each:
            shown.append(dataset.origins[place])
    pairs = [(origin, dataset.class_names[label]) for label, origins in by_class.items() for origin in origins]
    return dict(pairs[:SAMPLES_IN_ALL])


def _samples(
    path: Path, reference: DatasetReference, name: str, raw: RawDataset, chosen: dict[str, str]
) -> tuple[Sample, ...]:
    """Read the file again, and decode only the chosen images."""
    found: dict[str, Sample] = {}
    origins = iter(raw.origins)

    def pick(decode: Callable[[], Image]) -> Image:
        origin = next(origins)
        if origin in chosen:
            image = decode()
            found[origin] = Sample(chosen[origin], origin, image.shape[1], image.shape[0], _png(image))
        return _NOTHING

    read_file(path, reference, [path.parent], take=pick, name=name)
    return tuple(found[origin] for origin in chosen)


def _png(image: Image) -> bytes:
    picture = PillowImage.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image)
    picture.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
    content = io.BytesIO()
    picture.save(content, "PNG", optimize=True)
    return content.getvalue()
