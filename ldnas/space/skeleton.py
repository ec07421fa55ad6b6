"""The skeleton: the network that a cell is placed in. Needs no torch.

    image [3, S, S] → stem → stage → reduction → stage → … → global average pooling → linear head

The paper does not state its skeleton and the released one cannot have the published size, so we chose our own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from ldnas.errors import InvalidSearchError

SMALLEST_IMAGE = 8
LARGEST_IMAGE = 256
# Cells work at this side length and below; larger maps are only reduced, which costs little.
_LARGEST_CELL_SIDE = 32
_SMALLEST_CELL_SIDE = 4
_CELL_STAGES = 3


@dataclass(frozen=True)
class Stage:
    """`cells` equal cells at one resolution; none at all makes the stage a mere step between two reductions."""

    channels: int
    cells: int


@dataclass(frozen=True)
class Skeleton:
    """Where the cells go.

    Attributes:
        image_size: side of the square input, in pixels.
        classes: outputs of the head.
        stem_channels: channels after the stem, which are those of the first stage.
        stages: from the input to the head; each but the first begins with a reduction that halves the side.

    Raises:
        InvalidSearchError: a count is out of range, or the stem does not fit the first stage.
    """

    image_size: int
    classes: int
    stem_channels: int
    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        if not SMALLEST_IMAGE <= self.image_size <= LARGEST_IMAGE:
            raise InvalidSearchError(
                f"image_size is {SMALLEST_IMAGE} to {LARGEST_IMAGE}, not {self.image_size}", field="image_size"
            )
        if self.classes < 2:
            raise InvalidSearchError(f"a network needs at least two classes, not {self.classes}", field="labels")
        if not self.stages or self.stages[0].channels != self.stem_channels:
            raise InvalidSearchError("a skeleton needs stages, the first as wide as the stem", field="skeleton.stages")
        if any(stage.channels < 1 or stage.cells < 0 for stage in self.stages):
            raise InvalidSearchError("a stage has at least one channel and no negative cells", field="skeleton.stages")
        if not any(stage.cells for stage in self.stages):
            raise InvalidSearchError("a skeleton has at least one cell", field="skeleton.stages")

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The skeleton written by `to_json`."""
        stages = tuple(Stage(channels=stage["channels"], cells=stage["cells"]) for stage in value["stages"])
        return cls(value["image_size"], value["classes"], value["stem_channels"], stages)

    def to_json(self) -> dict[str, Any]:
        """The skeleton as a JSON value."""
        return {
            "image_size": self.image_size,
            "classes": self.classes,
            "stem_channels": self.stem_channels,
            "stages": [{"channels": stage.channels, "cells": stage.cells} for stage in self.stages],
        }

    @property
    def sides(self) -> tuple[int, ...]:
        """Side of the square feature map in each stage, in pixels (a reduction rounds up)."""
        sides = [self.image_size]
        for _ in self.stages[1:]:
            sides.append((sides[-1] + 1) // 2)
        return tuple(sides)


def default_skeleton(image_size: int, classes: int) -> Skeleton:
    """The skeleton for images of `image_size` pixels: small, with its last stage at 8 pixels or less.

    Up to three stages of one cell, of 16, 32 and 64 channels (32, 64 and 128 above 64 pixels), at 32, 16 and
    8 pixels or below; larger images are first reduced by stages without a cell. At 16×16 it has about 0.1 M
    parameters, most of them in its reductions.

    Raises:
        InvalidSearchError: the image size or the number of classes is out of range.
    """
    width = 16 if image_size <= 64 else 32
    stages = []
    side = image_size
    while side > _LARGEST_CELL_SIDE:
        stages.append(Stage(channels=width // 2, cells=0))
        side = (side + 1) // 2
    for step in range(_CELL_STAGES):
        stages.append(Stage(channels=width * 2**step, cells=1))
        if side <= _SMALLEST_CELL_SIDE or (side + 1) // 2 < _SMALLEST_CELL_SIDE:
            break
        side = (side + 1) // 2
    return Skeleton(image_size, classes, stages[0].channels, tuple(stages))
