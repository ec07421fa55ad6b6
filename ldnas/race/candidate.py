"""A candidate of the race: a whole network, its beginning and its recipe."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from torch import nn

from ldnas.data.task_data import ImageSet
from ldnas.training.micro_batches import Compute
from ldnas.training.train import TrainConfig


class Kind(StrEnum):
    """The kinds of candidates.

    CELL: a cell in a skeleton, with fresh weights or those of a known task.
    PLAIN: a network designed by hand, such as ResNet-18, with fresh weights.
    PRETRAINED: a network with weights from ImageNet.
    """

    CELL = "cell"
    PLAIN = "plain"
    PRETRAINED = "pretrained"


@dataclass(frozen=True, eq=False)
class Candidate:
    """A network that can take part in a race.

    Attributes:
        name: unique in the race.
        image_size: side of its input, in pixels.
        build: makes the network with its first weights, from a seed, on the CPU.
        recipe: how it trains; the race sets the epochs of each cycle.
        parameters: trainable parameters.
        macs: multiply-adds for one image.
        started_from: where its first weights come from; None for fresh ones.
        prepare: changes the network before its first cycle by what its training images give, such as a fitted head.
        description: further facts for the answer, as JSON values.
    """

    name: str
    kind: Kind
    image_size: int
    build: Callable[[int], nn.Module]
    recipe: TrainConfig
    parameters: int
    macs: int
    started_from: str | None = None
    prepare: Callable[[nn.Module, ImageSet, Compute], None] | None = None
    description: Mapping[str, Any] = field(default_factory=dict)
