"""MNIST and CIFAR-10 at 32×32, read once a process and only when a unit asks for them."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from ldnas.data.dataset import ImageDataset, Split, fingerprints_of
from ldnas.data.load import load_dataset
from ldnas.data.preprocessing import PROXY, Preprocessing, to_tensor_images
from ldnas.data.reference import DatasetReference
from ldnas.data.task_data import ImageSet

_TORCHVISION = {"mnist": "torchvision://MNIST", "cifar10": "torchvision://CIFAR10"}


class PaperData:
    """The data sets with their own labels and the split that all tasks share.

    Args:
        folder: has `mnist/` and `cifar10/` as Parquet; a set that is not there is torchvision's, downloaded into it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._dataset = cache(self._read)
        self.images = cache(self._images)

    def digest(self, dataset: str) -> str:
        """Of all decoded images, labels and splits (`ImageDataset.digest`)."""
        return self._dataset(dataset).digest

    def resized(self, dataset: str, split: str, rows: Tensor, image_size: int) -> Tensor:
        """The images in these rows of a split, uint8 [N, 3, S, S]: only they are brought to the size."""
        whole = self._dataset(dataset)
        positions = whole.indices(Split(split))[rows.numpy()]
        return to_tensor_images([whole.images[position] for position in positions], Preprocessing(image_size))

    def fingerprints(self, dataset: str, places: Mapping[str, Tensor]) -> bytes:
        """The fingerprints of images by split and their places in it, in the file's order (`fingerprints_of`)."""
        whole = self._dataset(dataset)
        return fingerprints_of(
            whole.images[place] for split, own in places.items() for place in whole.indices(Split(split))[own.numpy()]
        )

    def _read(self, dataset: str) -> ImageDataset:
        place = self._folder / dataset
        uri = place.as_uri() if place.exists() else _TORCHVISION[dataset]
        return load_dataset(DatasetReference.from_json({"uri": uri}), roots=[place], cache=self._folder)

    def _images(self, dataset: str, split: str, image_size: int = PROXY.image_size) -> ImageSet:
        """The images of one split in the file's order, with their labels; at 32, MNIST is padded as in the paper."""
        whole = self._dataset(dataset)
        positions = whole.indices(Split(split))
        images = to_tensor_images([whole.images[position] for position in positions], Preprocessing(image_size))
        return ImageSet(images, torch.from_numpy(whole.labels[positions]))
