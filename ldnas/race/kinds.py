"""The candidates of a race, by kind."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ldnas.data.preprocessing import normalise
from ldnas.data.task_data import ImageSet
from ldnas.distance.observation import fit_probe
from ldnas.networks.classifier import Classifier
from ldnas.networks.pretrained import EMBEDDED, embedded_network
from ldnas.networks.resnet import build_scaled_resnet18, resnet18_size
from ldnas.race.candidate import Candidate, Kind
from ldnas.space.complexity import multiply_adds, parameters
from ldnas.space.genotype import Genotype
from ldnas.space.network import build_cell_network, start_from
from ldnas.space.skeleton import Skeleton
from ldnas.training.micro_batches import Compute
from ldnas.training.train import TrainConfig

HEAD_L2 = 1e-2
"""λ of the penalty λ/2·‖W‖² of a head that is fitted to pretrained features."""

FINE_TUNING_RATE = 5e-4
FINE_TUNING_DECAY = 1e-2
FINE_TUNING_BATCH = 32


def cell_candidate(
    genotype: Genotype,
    skeleton: Skeleton,
    recipe: TrainConfig,
    *,
    started_from: str | None = None,
    start: Mapping[str, Tensor] | None = None,
) -> Candidate:
    """A cell in a skeleton, cold, or warm from the weights `start` of the same cell on the task `started_from`."""

    def build(seed: int) -> nn.Module:
        network = build_cell_network(genotype, skeleton, seed=seed)
        if start is not None:
            start_from(network, start)
        return network

    name = f"cell {genotype.digest[:8]}" + (f" from {started_from}" if started_from else "")
    return Candidate(
        name,
        Kind.CELL,
        skeleton.image_size,
        build,
        recipe,
        parameters(genotype, skeleton),
        multiply_adds(genotype, skeleton),
        started_from=started_from,
        description={"genotype": genotype.to_json(), "skeleton": skeleton.to_json()},
    )


def resnet18_candidate(classes: int, *, width: int, image_size: int, recipe: TrainConfig) -> Candidate:
    """ResNet-18 of this width, with fresh weights."""
    size, macs = resnet18_size(classes, width, image_size)

    def build(seed: int) -> nn.Module:
        return build_scaled_resnet18(classes, seed=seed, width=width)

    name = f"resnet18 width {width}"
    return Candidate(name, Kind.PLAIN, image_size, build, recipe, size, macs, description={"width": width})


def pretrained_candidate(classes: int, *, image_size: int, recipe: TrainConfig) -> Candidate:
    """EfficientNet-Lite0 with its ImageNet weights: first its head is fitted to the frozen features, then all is tuned.

    `recipe` is that of a network trained from scratch; its augmentation and loss stay.
    """

    def build(seed: int) -> nn.Module:
        return embedded_network(classes=classes)

    tuning = replace(
        recipe,
        batch_size=FINE_TUNING_BATCH,
        learning_rate=FINE_TUNING_RATE,
        weight_decay=FINE_TUNING_DECAY,
        averaged=0.0,
    )
    network = build(0)
    return Candidate(
        f"{EMBEDDED} {image_size} px",
        Kind.PRETRAINED,
        image_size,
        build,
        tuning,
        sum(parameter.numel() for parameter in network.parameters()),
        counted_macs(network, image_size),
        started_from="ImageNet",
        prepare=fit_head,
    )


def fit_head(network: nn.Module, train: ImageSet, compute: Compute) -> None:
    """Fit the head of a `Classifier` to the features of the training images, which do not change."""
    assert isinstance(network, Classifier)
    network.eval().to(memory_format=torch.channels_last)

    @torch.no_grad()
    def attempt(size: int) -> Tensor:
        return torch.cat([network.features(normalise(part)) for part in train.images.split(size)])

    features = compute.micro_batches.run(128, attempt, network=network, image_size=train.images.shape[-1])
    network.head = fit_probe(features, train.labels, classes=network.head.out_features, l2=HEAD_L2)


def counted_macs(network: nn.Module, image_size: int) -> int:
    """Multiply-adds for one image, counted by torch while the network runs once."""
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network.eval()(torch.zeros(1, 3, image_size, image_size))
    return counter.get_total_flops() // 2
