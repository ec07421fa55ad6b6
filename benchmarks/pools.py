"""Pools of trained networks on tasks that share a data set: the raw material of `calibration.py` and `ranking.py`.

A pool lies in a work folder and is resumed from there: one file a network.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ldnas.data.load import load_dataset
from ldnas.data.preprocessing import Preprocessing
from ldnas.data.reference import DatasetReference
from ldnas.data.task_data import ImageSet, task_data
from ldnas.networks.build import build_network
from ldnas.networks.classifier import Classifier
from ldnas.seeding import derive_seed
from ldnas.training.train import TrainConfig, fit


@dataclass(frozen=True)
class PoolTask:
    """A label mapping of one data set: each group is a class, all other labels (where there are any) one more."""

    name: str
    dataset: str
    groups: tuple[tuple[int, ...], ...]

    @property
    def classes(self) -> int:
        return len(self.groups) + (len({label for group in self.groups for label in group}) < 10)

    def labels(self, original: Tensor) -> Tensor:
        """The task's labels of images with these original labels (0 to 9)."""
        table = torch.full((10,), len(self.groups))
        for index, group in enumerate(self.groups):
            table[list(group)] = index
        return table[original]


def load_images(folder: Path, dataset: str, *, image_size: int) -> ImageSet:
    """The training images of MNIST or CIFAR-10 (Parquet, in `folder`/mnist and `folder`/cifar10) at one size."""
    place = (folder / dataset).resolve()
    raw = load_dataset(DatasetReference.from_json({"uri": place.as_uri()}), roots=[place], cache=place)
    return task_data(raw, None, Preprocessing(image_size)).train


def task_images(images: ImageSet, task: PoolTask, positions: Tensor) -> ImageSet:
    """The images at `positions` with the task's labels."""
    chosen = images.subset(positions)
    return ImageSet(chosen.images, task.labels(chosen.labels))


def shuffled(count: int, *, seed: int) -> Tensor:
    """A fixed order of `count` images."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(derive_seed(seed, "pool")))


def trained_network(
    folder: Path, name: str, *, architecture: str, classes: int, train: ImageSet, config: TrainConfig, seed: int
) -> Classifier:
    """The pool's network of that name, trained now if it is not there yet."""
    network = build_network(architecture, classes=classes, seed=seed)
    file = folder / f"{name}.safetensors"
    if file.exists():
        network.load_state_dict(load_file(file))
        return network.eval()
    fit(network, train, config=config, seed=seed)
    keep(folder, name, network)
    return network


def keep(folder: Path, name: str, network: Classifier) -> None:
    """Puts a network into the pool, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"{name}.unfinished"
    save_file({key: value.contiguous() for key, value in network.state_dict().items()}, unfinished)
    unfinished.rename(folder / f"{name}.safetensors")
