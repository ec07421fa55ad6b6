"""The networks that `ranking.py` ranks: some dozens trained, the others fine-tuned from them on other mappings."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from benchmarks.pools import PoolTask, keep, shuffled, task_images
from ldnas.data.task_data import ImageSet
from ldnas.networks.classifier import Classifier
from ldnas.seeding import derive_seed
from ldnas.training.train import TrainConfig, fit

WIDTHS = (8, 16, 32, 48)
TRAINED_ON = 2048


def narrow_network(classes: int, *, seed: int) -> Classifier:
    """`small_cnn` with a third of the channels."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        channels = 3
        for position, width in enumerate(WIDTHS):
            layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            layers.append(nn.MaxPool2d(2) if position < len(WIDTHS) - 1 else nn.AdaptiveAvgPool2d(1))
            channels = width
        return Classifier(nn.Sequential(*layers, nn.Flatten()), channels, classes)


def drawn_tasks(count: int, *, purpose: str) -> list[PoolTask]:
    """Label mappings, half of MNIST and half of CIFAR-10: two to five groups, no two alike."""
    generator = random.Random(derive_seed(0, "ranking", purpose))
    tasks: dict[tuple[str, tuple[tuple[int, ...], ...]], PoolTask] = {}
    while len(tasks) < count:
        dataset = ("mnist", "cifar10")[len(tasks) % 2]
        labels = generator.sample(range(10), 10)
        groups, start = [], 0
        for _ in range(generator.randint(1, 4)):
            size = generator.randint(1, 3)
            if start + size < 10:
                groups.append(tuple(sorted(labels[start : start + size])))
                start += size
        mapping = (dataset, tuple(groups))
        tasks.setdefault(mapping, PoolTask(f"{purpose}-{len(tasks)}", *mapping))
    return list(tasks.values())


class Pool:
    """Networks of the experiment, made when they are first asked for."""

    def __init__(self, folder: Path, images: Mapping[str, ImageSet], trained: Sequence[PoolTask]) -> None:
        self._folder = folder
        self._images = images
        self._trained = trained
        self._order = {name: shuffled(len(pixels), seed=0) for name, pixels in images.items()}

    def images_of(self, task: PoolTask) -> ImageSet:
        """The images that every network of a task was trained on, and that its distances are measured on."""
        return task_images(self._images[task.dataset], task, self._order[task.dataset][:TRAINED_ON])

    def trained(self, task: PoolTask, repetition: int) -> Classifier:
        """A network trained from fresh weights."""
        seed = derive_seed(0, task.name, repetition)
        return self._made(f"{task.name}-{repetition}", narrow_network(task.classes, seed=seed), task, 6, seed)

    def fine_tuned(self, task: PoolTask, repetition: int) -> Classifier:
        """A network that began as one of those trained on the same data set, with a fresh head."""
        seed = derive_seed(0, task.name, repetition)
        kin = [other for other in self._trained if other.dataset == task.dataset]
        parent = self.trained(kin[seed % len(kin)], repetition)
        network = narrow_network(task.classes, seed=seed)
        network.backbone.load_state_dict(parent.backbone.state_dict())
        return self._made(f"{task.name}-{repetition}", network, task, 1, seed)

    def _made(self, name: str, network: Classifier, task: PoolTask, epochs: int, seed: int) -> Classifier:
        file = self._folder / f"{name}.safetensors"
        if file.exists():
            network.load_state_dict(load_file(file))
            return network.eval()
        fit(network, self.images_of(task), config=TrainConfig(epochs=epochs, batch_size=128), seed=seed)
        keep(self._folder, name, network)
        return network
