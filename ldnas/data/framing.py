"""Fits a decoded image of any size into the square that networks take; needs numpy and Pillow, but not torch."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from PIL import Image as PillowImage

from ldnas.data.dataset import Image
from ldnas.data.value_range import ValueRange
from ldnas.digests import json_digest

MIN_IMAGE_SIZE = 8
MAX_IMAGE_SIZE = 256
RECIPE = "square/bilinear/1"
SCALING_RECIPE = "square/bilinear/2"
"""The recipe with a value range; releases that do not know the range refuse it."""

# The paper pads MNIST's 28 pixels to 32 instead of stretching them.
_PADDED_SIZE = 32
_PADDED_FROM = 28


@dataclass(frozen=True)
class Preprocessing:
    """How images become uint8 `[N, 3, S, S]`.

    1. Grey becomes three equal channels.
    2. The image is centred on a black square of its longer side, so that its aspect ratio is kept (an odd pixel goes
       to the bottom or the right).
    3. At S = 32, a longer side of 28 to 31 pixels is padded to 32 instead; the pixels stay as they are.
    4. Every other square is resized to S with antialiased bilinear interpolation (Pillow's `BILINEAR`).

    Attributes:
        image_size: S, in pixels, 8 to 256.
        value_range: the range that scaled the images with more than 8 bits before these steps; None if there were none.

    Raises:
        ValueError: `image_size` lies outside that range.
    """

    image_size: int
    value_range: ValueRange | None = None

    def __post_init__(self) -> None:
        if not MIN_IMAGE_SIZE <= self.image_size <= MAX_IMAGE_SIZE:
            raise ValueError(f"image_size is {self.image_size}; {MIN_IMAGE_SIZE} to {MAX_IMAGE_SIZE} are possible")

    @property
    def digest(self) -> str:
        """SHA-256 of the steps. The value range is not part of it: the dataset's digest covers the scaled pixels."""
        return json_digest({"recipe": RECIPE, "image_size": self.image_size})

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read what `to_json` wrote, also in releases before the value range.

        Those scaled grey of 16 bits by [0, 65535] and refused other values of more than 8 bits.

        Raises:
            ValueError: the recipe is unknown, or its values are not possible.
            InvalidReferenceError: the value range is not one.
        """
        recipe, size = (value.get("recipe"), value.get("image_size")) if isinstance(value, dict) else (None, None)
        if recipe not in (RECIPE, SCALING_RECIPE) or not isinstance(size, int):
            raise ValueError(
                f"needs the preprocessing {recipe!r}; this release supports {RECIPE!r} and {SCALING_RECIPE!r}"
            )
        value_range = value.get("value_range", [0, 65535])
        return cls(size, None if value_range is None else ValueRange.from_json(value_range))

    def to_json(self) -> dict[str, Any]:
        """The recipe with its values, for the files of a network."""
        return {
            "recipe": RECIPE if self.value_range is None else SCALING_RECIPE,
            "image_size": self.image_size,
            "value_range": None if self.value_range is None else self.value_range.to_json(),
        }


def frame(image: Image, preprocessing: Preprocessing, target: Image) -> None:
    """Write a uint8 array `[H, W, C]`, C in {1, 3}, into the zeros of `target`, uint8 `[3, S, S]`."""
    size = preprocessing.image_size
    longer = max(image.shape[:2])
    if longer == size or (size == _PADDED_SIZE and _PADDED_FROM <= longer < size):
        _centre(image, target)
        return
    # Three equal channels are resized as one, and a square image is not copied.
    square = image if image.shape[0] == image.shape[1] else _squared(image)
    pixels = square[:, :, 0] if image.shape[2] == 1 else square
    resized = PillowImage.fromarray(np.ascontiguousarray(pixels)).resize((size, size), PillowImage.Resampling.BILINEAR)
    target[:] = np.asarray(resized) if image.shape[2] == 1 else np.asarray(resized).transpose(2, 0, 1)


def _squared(image: Image) -> Image:
    """The image `[H, W, C]` in the middle of a black square `[L, L, C]` of its longer side L."""
    height, width, channels = image.shape
    longer = max(height, width)
    square = np.zeros((longer, longer, channels), dtype=np.uint8)
    _centre(image, square.transpose(2, 0, 1))
    return square


def _centre(image: Image, square: Image) -> None:
    """Copy `[H, W, C]` into the middle of `square` `[3, S, S]` or `[C, S, S]`."""
    height, width = image.shape[:2]
    top, left = (square.shape[1] - height) // 2, (square.shape[2] - width) // 2
    square[:, top : top + height, left : left + width] = image.transpose(2, 0, 1)
