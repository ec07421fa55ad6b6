"""Loads the dataset that a reference names into memory."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ldnas.data.catalogue import Catalogue
from ldnas.data.dataset import Image, ImageDataset, content_digest
from ldnas.data.readers.builtin import read_digits
from ldnas.data.readers.files import read_file
from ldnas.data.readers.records import Entry, Reading, Records
from ldnas.data.readers.torchvision_sets import read_torchvision
from ldnas.data.reference import DatasetReference, Fractions, check_location, resolve_file


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
        UnreadableDatasetError: no reader can read the layout; see the readers.
        BrokenImageError, ImageSizeError: one image; `origin` names it.
        EmptySplitError: see `draw_split`.
    """
    if file is not None:
        name = reference.name.rpartition("/")[2] or reference.name
        return decode_all(read_file(file, reference, [file.parent], name=name), reference.fractions)
    check_location(reference, roots)
    if reference.scheme == "builtin":
        records = read_digits()
    elif reference.scheme == "torchvision":
        records = read_torchvision(reference.name, cache)
    else:
        records = read_file(resolve_file(reference, roots), reference, roots)
    return decode_all(records, reference.fractions)


def decode_all(records: Records, fractions: Fractions | None) -> ImageDataset:
    """Decode and hold every image, and draw the split; images that the split leaves out are dropped.

    Raises:
        UnreadableDatasetError, BrokenImageError, ImageSizeError: see the readers.
        EmptySplitError: see `draw_split`.
    """
    images: list[Image] = []
    entries: list[Entry] = []
    reading = Reading(records)
    for record in reading:
        images.append(record.decode())
        entries.append(record.entry)
    catalogue = Catalogue.of(entries, [content_digest(image) for image in images], reading.summary)
    drawn = catalogue.draw(fractions)
    return ImageDataset(
        images=tuple(images[place] for place in drawn.kept),
        labels=np.array([catalogue.labels[place] for place in drawn.kept], dtype=np.int64),
        class_names=catalogue.class_names,
        origins=tuple(entries[place].origin for place in drawn.kept),
        splits=np.array([str(drawn.splits[place]) for place in drawn.kept]),
        digest=catalogue.digest(drawn),
        left_out=drawn.left_out,
        warnings=catalogue.warnings,
    )
