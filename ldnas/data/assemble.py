"""Turns the output of a reader into a dataset with its split."""

from collections.abc import Sequence

import numpy as np

from ldnas.data.dataset import ImageDataset, content_digest, dataset_digest
from ldnas.data.readers.raw import RawDataset
from ldnas.data.reference import Fractions
from ldnas.data.split import draw_split


def with_split(raw: RawDataset, fractions: Fractions | None, contents: Sequence[bytes] | None = None) -> ImageDataset:
    """Build the dataset from a reader's images; images that the split leaves out are dropped.

    Args:
        raw: the reader's output.
        fractions: the shares to draw missing splits with.
        contents: the images' content digests, where `raw` holds no pixels; None to take them from the images.

    Raises:
        EmptySplitError: see `draw_split`.
    """
    if contents is None:
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
