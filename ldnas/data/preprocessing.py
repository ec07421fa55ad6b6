"""From decoded images of any size to the one tensor shape that networks take."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image as PillowImage
from torch import Tensor

from ldnas.data.dataset import Image, ImageDataset
from ldnas.digests import json_digest

MIN_IMAGE_SIZE = 8
MAX_IMAGE_SIZE = 256
_SIZE_LADDER = (16, 32, 48, 64, 96, 128, 192, 256)

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
        return {"recipe": "square/bilinear/1", "image_size": self.image_size}


PROXY = Preprocessing(32)


def to_tensor_images(images: Sequence[Image], preprocessing: Preprocessing) -> Tensor:
    """N uint8 arrays `[H, W, C]`, C in {1, 3}, as one uint8 tensor `[N, 3, S, S]`; see `Preprocessing`."""
    size = preprocessing.image_size
    prepared = np.zeros((len(images), 3, size, size), dtype=np.uint8)
    for target, image in zip(prepared, images, strict=True):
        longer = max(image.shape[:2])
        if longer == size or (size == _PADDED_SIZE and _PADDED_FROM <= longer < size):
            _centre(image, target)
        else:
            square = np.zeros((3, longer, longer), dtype=np.uint8)
            _centre(image, square)
            resized = PillowImage.fromarray(square.transpose(1, 2, 0).copy()).resize(
                (size, size), PillowImage.Resampling.BILINEAR
            )
            target[:] = np.asarray(resized).transpose(2, 0, 1)
    return torch.from_numpy(prepared)


def normalise(images: Tensor) -> Tensor:
    """uint8 `[N, 3, S, S]` in 0..255 → float32 in [-1, 1]: x / 127.5 - 1."""
    return images.to(torch.float32).div_(127.5).sub_(1)


def default_image_size(dataset: ImageDataset) -> int:
    """The image size for search and final training, in pixels, where a request names none.

    It is the rung of 16, 32, 48, 64, 96, 128, 192, 256 that is nearest to the median longer side (of two equally near,
    the larger).
    """
    median = float(np.median([max(image.shape[:2]) for image in dataset.images]))
    return min(_SIZE_LADDER, key=lambda rung: (abs(rung - median), -rung))


def _centre(image: Image, square: np.ndarray) -> None:
    """Copy `[H, W, C]` into the middle of `square` `[3, S, S]`."""
    height, width = image.shape[:2]
    top, left = (square.shape[1] - height) // 2, (square.shape[2] - width) // 2
    square[:, top : top + height, left : left + width] = image.transpose(2, 0, 1)
