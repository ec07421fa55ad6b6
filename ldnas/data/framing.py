"""Fits a decoded image of any size into the square that networks take; needs numpy and Pillow, but not torch."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from ldnas.data.dataset import Image
from ldnas.digests import json_digest

MIN_IMAGE_SIZE = 8
MAX_IMAGE_SIZE = 256
RECIPE = "square/bilinear/1"

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

    Raises:
        ValueError: `image_size` lies outside that range.
    """

    image_size: int

    def __post_init__(self) -> None:
        if not MIN_IMAGE_SIZE <= self.image_size <= MAX_IMAGE_SIZE:
            raise ValueError(f"image_size is {self.image_size}; {MIN_IMAGE_SIZE} to {MAX_IMAGE_SIZE} are possible")

    @property
    def digest(self) -> str:
        return json_digest(self.to_json())

    def to_json(self) -> dict[str, Any]:
        return {"recipe": RECIPE, "image_size": self.image_size}


def frame(image: Image, preprocessing: Preprocessing, target: Image) -> None:
    """Write a uint8 array `[H, W, C]`, C in {1, 3}, into the zeros of `target`, uint8 `[3, S, S]`."""
    size = preprocessing.image_size
    longer = max(image.shape[:2])
    if longer == size or (size == _PADDED_SIZE and _PADDED_FROM <= longer < size):
        _centre(image, target)
        return
    square = np.zeros((3, longer, longer), dtype=np.uint8)
    _centre(image, square)
    resized = PillowImage.fromarray(square.transpose(1, 2, 0).copy()).resize(
        (size, size), PillowImage.Resampling.BILINEAR
    )
    target[:] = np.asarray(resized).transpose(2, 0, 1)


def _centre(image: Image, square: Image) -> None:
    """Copy `[H, W, C]` into the middle of `square` `[3, S, S]`."""
    height, width = image.shape[:2]
    top, left = (square.shape[1] - height) // 2, (square.shape[2] - width) // 2
    square[:, top : top + height, left : left + width] = image.transpose(2, 0, 1)
