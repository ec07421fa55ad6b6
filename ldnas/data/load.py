"""Loads the dataset that a reference names into memory."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ldnas.data.catalogue import Catalogue
from ldnas.data.dataset import ImageDataset, content_digest
from ldnas.data.few_levels import FewLevelsFinder
from ldnas.data.readers.builtin import read_digits
from ldnas.data.readers.files import read_file
from ldnas.data.readers.records import Entry, Reading, Records
from ldnas.data.readers.torchvision_sets import read_torchvision
from ldnas.data.reference import DatasetReference, check_location, resolve_file
from ldnas.data.scaling import Pixels
from ldnas.data.wide_values import WideValuesFinder


def load_dataset(
    reference: DatasetReference, *, roots: Sequence[Path], cache: Path, file: Path | None = None
) -> ImageDataset:
    """Read a dataset, decode its images and draw its split.

    Args:
        reference: where it is and how to read it.
        roots: the folders that `file://` may point into, links followed.
        cache: the folder that `torchvision://` downloads into.
        file: the local copy of a dataset whose reference is not a local path (`dataset://`, `https://`, `s3://`).

    Raises:
        InvalidReferenceError, ForbiddenLocationError, DatasetNotFoundError: see `check_location`.
        InvalidReferenceError: a value range is stated, and no image has more than 8 bits.
        UnreadableDatasetError: no reader can read the layout; see the readers.
        BrokenImageError, ImageSizeError: one image; `origin` names it.
        EmptySplitError: see `draw_split`.
    """
    if file is not None:
        name = reference.name.rpartition("/")[2] or reference.name
        return decode_all(read_file(file, reference, [file.parent], name=name), reference)
    check_location(reference, roots)
    if reference.scheme == "builtin":
        records = read_digits()
    elif reference.scheme == "torchvision":
        records = read_torchvision(reference.name, cache)
    else:
        records = read_file(resolve_file(reference, roots), reference, roots)
    return decode_all(records, reference)


def decode_all(records: Records, reference: DatasetReference) -> ImageDataset:
    """Decode and hold every image, scale those of more than 8 bits, and draw the split.

    Images that the split leaves out are dropped.

    Args:
        records: the images.
        reference: states the fractions, and the value range.

    Raises:
        UnreadableDatasetError, BrokenImageError, ImageSizeError: see the readers and `WideValuesFinder`.
        InvalidReferenceError: see `WideValuesFinder`.
        EmptySplitError: see `draw_split`.
    """
    images: list[Pixels] = []
    entries: list[Entry] = []
    finder, few = WideValuesFinder(reference.value_range), FewLevelsFinder()
    reading = Reading(records)
    for record in reading:
        images.append(reading.decode(record).pixels)
        entries.append(record.entry)
        finder.add(images[-1], record.entry.origin)
        few.add(images[-1])
    # In place: the wide images take two to eight times the memory.
    for place, pixels in enumerate(images):
        images[place] = finder.scaled(pixels)
    catalogue = Catalogue.of(entries, [content_digest(image) for image in images], reading.summary)
    drawn = catalogue.draw(reference.fractions)
    return ImageDataset(
        images=tuple(images[place] for place in drawn.kept),
        labels=np.array([catalogue.labels[place] for place in drawn.kept], dtype=np.int64),
        class_names=catalogue.class_names,
        origins=tuple(entries[place].origin for place in drawn.kept),
        splits=np.array([str(drawn.splits[place]) for place in drawn.kept]),
        digest=catalogue.digest(drawn),
        left_out=drawn.left_out,
        warnings=(*catalogue.warnings, *few.warnings),
        wide_values=finder.found(reference.shown),
    )
