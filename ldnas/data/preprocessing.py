"""Converts decoded images of any size into the one tensor shape that networks take."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ldnas.data.dataset import Image, ImageDataset
from ldnas.data.framing import Preprocessing, frame

__all__ = ["PROXY", "Preprocessing", "default_image_size", "normalise", "to_tensor_images"]

_SIZE_LADDER = (16, 32, 48, 64, 96, 128, 192, 256)

PROXY = Preprocessing(32)


def to_tensor_images(images: Sequence[Image], preprocessing: Preprocessing) -> Tensor:
    """N uint8 arrays `[H, W, C]`, C in {1, 3}, as one uint8 tensor `[N, 3, S, S]`; see `Preprocessing`."""
    size = preprocessing.image_size
    prepared = np.zeros((len(images), 3, size, size), dtype=np.uint8)
    for target, image in zip(prepared, images, strict=True):
        frame(image, preprocessing, target)
    return torch.from_numpy(prepared)


def normalise(images: Tensor) -> Tensor:
    """uint8 `[N, 3, S, S]` in 0..255 → float32 in [-1, 1]: x / 127.5 - 1."""
    return images.to(torch.float32).div_(127.5).sub_(1)


def default_image_size(dataset: ImageDataset) -> int:
    """The image size for search and final training, in pixels, if the request does not set it.

    It is the rung of 16, 32, 48, 64, 96, 128, 192, 256 that is nearest to the median longer side (of two equally near,
    the larger).
    """
    median = float(np.median([max(image.shape[:2]) for image in dataset.images]))
    return min(_SIZE_LADDER, key=lambda rung: (abs(rung - median), -rung))
