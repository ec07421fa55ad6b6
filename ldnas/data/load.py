"""Loads the dataset that a reference names into memory."""

from collections.abc import Sequence
from pathlib import Path

from ldnas.data.assemble import with_split
from ldnas.data.dataset import ImageDataset
from ldnas.data.readers.builtin import read_digits
from ldnas.data.readers.files import read_file
from ldnas.data.readers.torchvision_sets import read_torchvision
from ldnas.data.reference import DatasetReference, check_location, resolve_file


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
        return with_split(read_file(file, reference, [file.parent], name=name), reference.fractions)
    check_location(reference, roots)
    if reference.scheme == "builtin":
        raw = read_digits()
    elif reference.scheme == "torchvision":
        raw = read_torchvision(reference.name, cache)
    else:
        raw = read_file(resolve_file(reference, roots), reference, roots)
    return with_split(raw, reference.fractions)
