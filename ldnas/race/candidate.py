"""A candidate of the race: a whole network, its beginning and its recipe."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from ldnas.data.task_data import ImageSet
from ldnas.networks.design import Design, Kind
from ldnas.training.micro_batches import Compute
from ldnas.training.train import TrainConfig


@dataclass(frozen=True, eq=False)
class Candidate:
    """A network that can take part in a race.

    Attributes:
        name: unique in the race.
        build: makes the network with its first weights, from a seed, on the CPU.
        recipe: how it trains; the race sets the epochs of each cycle.
        parameters: trainable parameters.
        macs: multiply-adds for one image.
        started_from: where its first weights come from; None for fresh ones.
        prepare: changes the network before its first cycle by what its training images give, such as a fitted head.
        variant_of: candidates of the same variant group are alternatives, such as one network at several image sizes:
            the first one that the seconds suffice for takes part. None for a candidate without alternatives.
        least_epochs: the fewest epochs, of at most `ENOUGH_IMAGES` images, that make it worth to take part.
    """

    name: str
    design: Design
    build: Callable[[int], nn.Module]
    recipe: TrainConfig
    parameters: int
    macs: int
    started_from: str | None = None
    prepare: Callable[[nn.Module, ImageSet, Compute], None] | None = None
    variant_of: str | None = None
    least_epochs: int = 2

    @property
    def kind(self) -> Kind:
        """The kind of its network."""
        return self.design.kind

    @property
    def image_size(self) -> int:
        """Side of its input, in pixels."""
        return self.design.image_size
