"""The design of a finished network: everything but its weights. Needs no torch."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, ClassVar

from ldnas.errors import InvalidSearchError
from ldnas.space.genotype import Genotype
from ldnas.space.skeleton import Skeleton

RESNET18 = "resnet18"
MOBILENET = "mobilenet_v3_small"
"""torchvision's name of MobileNetV3-small."""

EFFICIENTNET_LITE0 = "tf_efficientnet_lite0"
"""timm's name of the network whose ImageNet weights are installed with ldnas."""

TORCHVISION = "torchvision/"
"""The beginning of the name of a pretrained network that torchvision has; the others are timm's."""

PRETRAINED_NAME = rf"({TORCHVISION})?[a-z0-9_]+"
"""A regular expression that the names of pretrained networks match, those of timm without their tags."""


class Kind(StrEnum):
    """The kinds of networks.

    CELL: a cell in a skeleton.
    PLAIN: a network designed by hand, trained from fresh weights.
    PRETRAINED: a network that began with pretrained weights.
    """

    CELL = "cell"
    PLAIN = "plain"
    PRETRAINED = "pretrained"


@dataclass(frozen=True)
class CellDesign:
    """A cell in a skeleton."""

    kind: ClassVar[Kind] = Kind.CELL
    genotype: Genotype
    skeleton: Skeleton

    @property
    def image_size(self) -> int:
        """Side of the square input, in pixels."""
        return self.skeleton.image_size

    @property
    def classes(self) -> int:
        """Outputs of the head."""
        return self.skeleton.classes

    def to_json(self) -> dict[str, Any]:
        """The design as a JSON value."""
        return {"kind": self.kind.value, "genotype": self.genotype.to_json(), "skeleton": self.skeleton.to_json()}


@dataclass(frozen=True)
class PlainDesign:
    """A network designed by hand.

    Attributes:
        width: of `resnet18`, the channels of its first stage, a whole number (`ScaledResNet18`); of
            `mobilenet_v3_small`, the multiple of its own channels (`build_mobilenet`).
        name: one of these two.
    """

    kind: ClassVar[Kind] = Kind.PLAIN
    width: float
    image_size: int
    classes: int
    name: str = RESNET18

    def to_json(self) -> dict[str, Any]:
        """The design as a JSON value."""
        return {"kind": self.kind.value, **asdict(self)}


@dataclass(frozen=True)
class PretrainedDesign:
    """A network of timm or torchvision, with a linear head for these classes.

    Attributes:
        name: its name in timm, without a tag, or `torchvision/` and its name in torchvision.
        weights: the SHA-256 of the safetensors file with its first weights; None for those of ImageNet that are
            installed with ldnas, which only `EFFICIENTNET_LITE0` has.

    Raises:
        InvalidSearchError: the name has other characters than such a name, or needs a file of weights.
    """

    kind: ClassVar[Kind] = Kind.PRETRAINED
    image_size: int
    classes: int
    name: str = EFFICIENTNET_LITE0
    weights: str | None = None

    def __post_init__(self) -> None:
        # timm reads other names, such as "local-dir:/etc" or "hf-hub:name", as places to load from.
        if not re.fullmatch(PRETRAINED_NAME, self.name) or (self.weights is None and self.name != EFFICIENTNET_LITE0):
            raise InvalidSearchError(f"this release does not know the network {self.name!r} of the kind 'pretrained'")

    @property
    def library(self) -> str:
        """The Python package that has the network."""
        return "torchvision" if self.name.startswith(TORCHVISION) else "timm"

    @property
    def name_in_library(self) -> str:
        """Its name in that package."""
        return self.name.removeprefix(TORCHVISION)

    def to_json(self) -> dict[str, Any]:
        """The design as a JSON value."""
        own = {key: value for key, value in asdict(self).items() if value is not None}
        return {"kind": self.kind.value, **own}


Design = CellDesign | PlainDesign | PretrainedDesign


def design_from_json(value: Mapping[str, Any]) -> Design:
    """The design written by `to_json`.

    Raises:
        InvalidSearchError: the kind, or the network of that name, is unknown in this release.
        InvalidGenotypeError: the genotype is invalid in this release.
    """
    match value.get("kind"), value.get("name"):
        case Kind.CELL, _:
            return CellDesign(Genotype.from_json(value["genotype"]), Skeleton.from_json(value["skeleton"]))
        case Kind.PLAIN, ("resnet18" | "mobilenet_v3_small") as name:
            return PlainDesign(value["width"], value["image_size"], value["classes"], name)
        case Kind.PRETRAINED, str(name):
            return PretrainedDesign(value["image_size"], value["classes"], name, value.get("weights"))
        case kind, name:
            raise InvalidSearchError(f"this release does not know the network {name!r} of the kind {kind!r}")
