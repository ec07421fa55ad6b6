"""The targets: the paper's tasks, the digits, and folders of pictures, each with images that judge the network."""

from abc import ABC, abstractmethod
from functools import cache
from pathlib import Path

import torch

from benchmarks.paper.data import PaperData
from benchmarks.paper.tasks import TASKS, PaperTask
from ldnas.data.load import load_dataset
from ldnas.data.preprocessing import PROXY, Preprocessing, default_image_size
from ldnas.data.reference import DatasetReference
from ldnas.data.task_data import ImageSet, task_data, test_images
from ldnas.race.race import RaceImages
from ldnas.seeding import derive_seed
from ldnas.training.final import DataFacts, data_facts

TRAIN, VALIDATION, JUDGES = 2000, 1000, 2500
KNOWN_TRAIN = 10_000
"""The training images of the cell and the ResNet-18 of a known task: a registry knows its tasks from more images than
a target has."""


class Target(ABC):
    """A task: its images at any size, and others of which no way sees any before its end.

    Attributes:
        name: for people.
        classes: their number.
        image_size: side of the images that a job would choose, in pixels.
    """

    name: str
    classes: int
    image_size: int

    def __init__(self) -> None:
        self.images = cache(self._images)
        """The training and validation images at a size in pixels."""

    @abstractmethod
    def _images(self, size: int) -> RaceImages: ...

    @abstractmethod
    def judges(self, size: int) -> ImageSet:
        """The images that judge the network, `size` pixels wide."""

    @property
    def proxy(self) -> ImageSet:
        """The training images that distances are measured on."""
        return self.images(PROXY.image_size).train

    def facts(self, seed: int) -> DataFacts:
        """The facts about the data that the training recipe depends on, found as a job finds them."""
        images = self.images(self.image_size)
        return data_facts(images.train, images.validation, classes=self.classes, seed=seed)


class PaperTarget(Target):
    """One of the paper's tasks with the images of one seed.

    Sources train on the even rows of the training images, and targets on the odd ones; the images that judge are among
    those that the split sets aside for validation, of which a source sees none. No test image is read.
    """

    def __init__(
        self,
        data: PaperData,
        number: int,
        seed: int,
        *,
        image_size: int = 32,
        is_source: bool = False,
        train: int = TRAIN,
    ) -> None:
        super().__init__()
        self._task: PaperTask = TASKS["paper"][number]
        self._data, self._seed, self._first = data, seed, 0 if is_source else 1
        self._is_source, self._train = is_source, train
        self.name, self.classes, self.image_size = f"Task {number}", self._task.classes, image_size

    def judges(self, size: int) -> ImageSet:
        return self._judging(size, VALIDATION, VALIDATION + JUDGES)

    def _images(self, size: int) -> RaceImages:
        train = self._drawn("train", self._train + VALIDATION * self._is_source, size, every=2)
        if self._is_source:
            last = len(train) - VALIDATION  # a task with a reduced rest may have fewer images than it is asked for
            return RaceImages(train.subset(torch.arange(last)), train.subset(torch.arange(last, len(train))))
        return RaceImages(train, self._judging(size, 0, VALIDATION))

    def _judging(self, size: int, first: int, last: int) -> ImageSet:
        return self._drawn("validation", VALIDATION + JUDGES, size).subset(torch.arange(first, last))

    def _drawn(self, split: str, count: int, size: int, *, every: int = 1) -> ImageSet:
        """So many images of the task in an order drawn by the seed; only these are brought to the size."""
        labels = self._data.images(self._task.dataset, split).labels
        rows = torch.arange(self._first if every > 1 else 0, len(labels), every)
        # Rows stand for images here, so that the task's own draw gives the rows.
        found = self._task.images(ImageSet(rows, labels[rows]), limit=count, seed=self._seed)
        order = torch.randperm(len(found), generator=torch.Generator().manual_seed(derive_seed(self._seed, split)))
        found = found.subset(order)
        return ImageSet(self._data.resized(self._task.dataset, split, found.images, size), found.labels)


class DatasetTarget(Target):
    """A dataset with its own classes and split, such as a folder of pictures; its test images judge.

    The draw of images is the same for every seed.
    """

    def __init__(self, name: str, uri: str) -> None:
        super().__init__()
        roots = [Path(uri.removeprefix("file://"))] if uri.startswith("file://") else []
        self._dataset = load_dataset(DatasetReference.from_json({"uri": uri}), roots=roots, cache=Path())
        self.name, self.classes = name, len(self._dataset.class_names)
        self.image_size = default_image_size(self._dataset)

    def judges(self, size: int) -> ImageSet:
        return test_images(self._dataset, None, Preprocessing(size))

    def _images(self, size: int) -> RaceImages:
        found = task_data(self._dataset, None, Preprocessing(size))
        return RaceImages(found.train, found.validation)
