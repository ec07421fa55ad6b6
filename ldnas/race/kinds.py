"""The candidates of a race, by kind."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from ldnas.data.preprocessing import normalise
from ldnas.data.task_data import ImageSet
from ldnas.distance.observation import fit_probe
from ldnas.networks.classifier import Classifier
from ldnas.networks.design import CellDesign, Design, PlainDesign, PretrainedDesign
from ldnas.networks.designed import build_designed, size_of
from ldnas.race.candidate import Candidate
from ldnas.space.network import build_cell_network, start_from
from ldnas.training.micro_batches import Compute
from ldnas.training.train import TrainConfig

HEAD_L2 = 1e-2
"""λ of the penalty λ/2·‖W‖² of a head that is fitted to pretrained features."""

FINE_TUNING_RATE = 5e-4
FINE_TUNING_DECAY = 1e-2
FINE_TUNING_BATCH = 32


def fresh_candidate(name: str, design: CellDesign | PlainDesign, recipe: TrainConfig) -> Candidate:
    """A network with fresh weights."""
    return _candidate(name, design, recipe)


def warm_candidate(
    name: str, design: CellDesign, recipe: TrainConfig, *, started_from: str, start: Mapping[str, Tensor]
) -> Candidate:
    """A cell that begins, except for its head, with the weights `start` of the same cell on the task `started_from`."""

    def build(seed: int) -> nn.Module:
        network = build_cell_network(design.genotype, design.skeleton, seed=seed)
        start_from(network, start)
        return network

    return replace(_candidate(name, design, recipe), build=build, started_from=started_from)


@dataclass(frozen=True)
class GivenWeights:
    """A file with weights for a network of timm or torchvision.

    Attributes:
        architecture: the name of the network, as a `PretrainedDesign` has it.
        digest: the SHA-256 of the file.
        file: an existing safetensors file that fits the network.
        source: the name of the file's origin in the answer.
    """

    architecture: str
    digest: str
    file: Path
    source: str


def pretrained_candidate(
    name: str, design: PretrainedDesign, recipe: TrainConfig, *, given: GivenWeights | None = None
) -> Candidate:
    """A network with pretrained weights: first its head is fitted to the frozen features, then all is tuned.

    Args:
        recipe: that of a network trained from scratch.
        given: the weights of a design that names a file; None for those of ImageNet.
    """
    candidate = _candidate(name, design, tuning_recipe(recipe))
    if given is None:
        return replace(candidate, started_from="ImageNet", prepare=fit_head)
    return replace(
        candidate,
        build=lambda seed: build_designed(design, seed=seed, weights=given.file),
        started_from=given.source,
        prepare=fit_head,
    )


def tuning_recipe(recipe: TrainConfig) -> TrainConfig:
    """The recipe that tunes a pretrained network; augmentation and loss are those of training from scratch."""
    return replace(
        recipe,
        batch_size=FINE_TUNING_BATCH,
        learning_rate=FINE_TUNING_RATE,
        weight_decay=FINE_TUNING_DECAY,
        averaged=0.0,
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


def _candidate(name: str, design: Design, recipe: TrainConfig) -> Candidate:
    parameters, macs = size_of(design)
    return Candidate(name, design, lambda seed: build_designed(design, seed=seed), recipe, parameters, macs)
