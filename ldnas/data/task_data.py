"""A task's images: a dataset seen through a label mapping, at one image size."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldnas.data.class_counts import ClassCount, balanced_rest, require_trainable
from ldnas.data.dataset import ImageDataset, Split, content_digest
from ldnas.data.labels import LabelMapping, assign, class_names, mapping_digest
from ldnas.data.preprocessing import Preprocessing, to_tensor_images


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images uint8 `[N, 3, S, S]` and class indices int64 `[N]`."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str) -> "ImageSet":
        return ImageSet(self.images.to(device), self.labels.to(device))

    def subset(self, indices: Tensor) -> "ImageSet":
        """The images at `indices`, int64 `[M]`, in that order."""
        return ImageSet(self.images[indices], self.labels[indices])


@dataclass(frozen=True)
class TaskDigests:
    """The identity of a task's data, in three independent SHA-256.

    Attributes:
        dataset: `ImageDataset.digest`.
        mapping: `mapping_digest`.
        preprocessing: `Preprocessing.digest`.
    """

    dataset: str
    mapping: str
    preprocessing: str


@dataclass(frozen=True)
class SplitCounts:
    """Images in each split, after the mapping and the balancing."""

    train: int
    validation: int
    test: int


@dataclass(frozen=True, eq=False)
class TaskData:
    """The images of a task that training and search may see. For the test images see `test_images`."""

    train: ImageSet
    validation: ImageSet
    classes: tuple[ClassCount, ...]
    digests: TaskDigests

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, each different, in the order of their indices."""
        return tuple(count.name for count in self.classes)

    @property
    def counts(self) -> SplitCounts:
        """The images of all classes in each split."""
        return SplitCounts(**{str(split): sum(getattr(count, split) for count in self.classes) for split in Split})


@dataclass(frozen=True, eq=False)
class _Selection:
    """For each split, the positions of the task's images in the dataset, ascending, and their task labels."""

    positions: dict[Split, NDArray[np.int64]]
    labels: dict[Split, NDArray[np.int64]]

    def classes(self, names: tuple[str, ...]) -> tuple[ClassCount, ...]:
        """The images of each class, whose names these are."""
        counts = (np.bincount(self.labels[split], minlength=len(names)).tolist() for split in Split)
        return tuple(ClassCount(name, *of_class) for name, *of_class in zip(names, *counts, strict=True))

    def image_set(self, split: Split, dataset: ImageDataset, preprocessing: Preprocessing) -> ImageSet:
        images = to_tensor_images([dataset.images[position] for position in self.positions[split]], preprocessing)
        return ImageSet(images, torch.from_numpy(self.labels[split]))


def task_data(dataset: ImageDataset, mapping: LabelMapping | None, preprocessing: Preprocessing) -> TaskData:
    """The training and validation images of a task.

    Raises:
        UnknownLabelError, InvalidMappingError: see `assign` and `class_names`.
        SingleClassError, EmptySplitError, TooFewImagesError: see `ldnas.data.class_counts.refusals`.
    """
    selection = _select(dataset, mapping)
    return TaskData(
        train=selection.image_set(Split.TRAIN, dataset, preprocessing),
        validation=selection.image_set(Split.VALIDATION, dataset, preprocessing),
        classes=selection.classes(class_names(mapping, dataset.class_names)),
        digests=TaskDigests(dataset.digest, mapping_digest(mapping, dataset.class_names), preprocessing.digest),
    )


def test_images(dataset: ImageDataset, mapping: LabelMapping | None, preprocessing: Preprocessing) -> ImageSet:
    """The test images of a task, for the one evaluation of a finished network.

    Call it once, at the end of a job: these images no longer measure a choice that was made after seeing them.

    Raises:
        As `task_data`.
    """
    return _select(dataset, mapping).image_set(Split.TEST, dataset, preprocessing)


# pytest collects every function named test_…, even where a test module only imports it.
test_images.__test__ = False  # type: ignore[attr-defined]


def _select(dataset: ImageDataset, mapping: LabelMapping | None) -> _Selection:
    names = class_names(mapping, dataset.class_names)
    task_label = np.full(len(dataset.class_names), -1, dtype=np.int64)
    for original, new in assign(mapping, dataset.class_names).items():
        task_label[original] = new
    all_labels = task_label[dataset.labels]
    positions = {split: dataset.indices(split) for split in Split}
    positions = {split: places[all_labels[places] >= 0] for split, places in positions.items()}
    if mapping is not None and mapping.balance:
        positions = {
            split: _cut_rest(dataset, places, all_labels, mapping.rest_class) for split, places in positions.items()
        }
    selection = _Selection(positions, {split: all_labels[places] for split, places in positions.items()})
    require_trainable(selection.classes(names))
    return selection


def _cut_rest(
    dataset: ImageDataset, places: NDArray[np.int64], labels: NDArray[np.int64], rest: int
) -> NDArray[np.int64]:
    """`places` with the rest class cut to the mean size of the others (rounded, at least 1 image).

    Those with the lowest content digest stay: a draw without a seed, the same in every task.
    """
    is_rest = labels[places] == rest
    keep = balanced_rest(int((~is_rest).sum()), rest)
    ranked = sorted(places[is_rest], key=lambda place: content_digest(dataset.images[place]))
    return np.sort(np.concatenate([places[~is_rest], np.array(ranked[:keep], dtype=np.int64)]))
