"""From a reference to a dataset in memory."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ldnas.data.dataset import ImageDataset, content_digest, dataset_digest
from ldnas.data.readers.builtin import read_digits
from ldnas.data.readers.image_folder import read_image_folder
from ldnas.data.readers.parquet import read_parquet
from ldnas.data.readers.raw import RawDataset
from ldnas.data.readers.torchvision_sets import read_torchvision
from ldnas.data.reference import DatasetReference, Fractions, check_location, resolve_file
from ldnas.data.split import draw_split
from ldnas.errors import InvalidReferenceError, UnreadableDatasetError


def load_dataset(reference: DatasetReference, *, roots: Sequence[Path], cache: Path) -> ImageDataset:
    """Read a dataset, decode its images and draw its split.

    Args:
        reference: where it is and how to read it.
        roots: the folders that `file://` may point into, links followed.
        cache: the folder that `torchvision://` downloads into.

    Raises:
        InvalidReferenceError, ForbiddenLocationError, DatasetNotFoundError: see `check_location`.
        UnreadableDatasetError: no layout that can be read; see the readers.
        BrokenImageError, ImageSizeError: one image; `origin` names it.
        EmptySplitError: see `draw_split`.
    """
    check_location(reference, roots)
    if reference.scheme == "builtin":
        raw = read_digits()
    elif reference.scheme == "torchvision":
        raw = read_torchvision(reference.name, cache)
    else:
        raw = _read_files(reference, roots)
    return with_split(raw, reference.fractions)


def with_split(raw: RawDataset, fractions: Fractions | None) -> ImageDataset:
    """The dataset that a reader's images make; those that its split leaves out are gone.

    Raises:
        EmptySplitError: see `draw_split`.
    """
    contents = [content_digest(image) for image in raw.images]
    drawn = draw_split(contents, raw.labels, raw.given_splits, raw.groups, fractions)
    kept = [index for index, split in enumerate(drawn.splits) if split is not None]
    labels = [raw.labels[index] for index in kept]
    splits = [str(drawn.splits[index]) for index in kept]
    return ImageDataset(
        images=tuple(raw.images[index] for index in kept),
        labels=np.array(labels, dtype=np.int64),
        class_names=raw.class_names,
        origins=tuple(raw.origins[index] for index in kept),
        splits=np.array(splits),
        digest=dataset_digest((contents[index] for index in kept), labels, splits, raw.class_names),
        left_out=drawn.left_out,
    )


def _read_files(reference: DatasetReference, roots: Sequence[Path]) -> RawDataset:
    path = resolve_file(reference, roots)
    if (reference.format or _detect_format(path)) == "parquet":
        return read_parquet(path, reference, roots)
    if not path.is_dir():
        raise UnreadableDatasetError(f"{path} is no folder of images", field="dataset.uri", origin=str(path))
    for key in ("image_column", "label_column", "split_column", "group_column"):
        if getattr(reference, key) is not None:
            raise InvalidReferenceError("an image folder has no columns", field=f"dataset.{key}")
    return read_image_folder(path, roots)


def _detect_format(path: Path) -> str:
    if path.is_dir():
        return "parquet" if next(path.rglob("*.parquet"), None) is not None else "image_folder"
    if path.suffix.lower() == ".parquet":
        return "parquet"
    raise UnreadableDatasetError(
        f"{path.name} has no layout that can be read; a .parquet file, a folder of them or an image folder has",
        field="dataset.uri",
        origin=str(path),
    )
