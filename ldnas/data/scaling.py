"""Scales images with more than 8 bits to 8 bits, by the range of their dataset."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldnas.data.value_range import ValueRange
from ldnas.errors import BrokenImageError

Pixels = NDArray[Any]
"""A decoded image `[H, W, C]`: uint8, or *wide*: integers or floating-point numbers of more than 8 bits."""


def is_wide(pixels: Pixels) -> bool:
    """Whether an image has more than 8 bits a value."""
    return pixels.dtype != np.uint8


def scaled(values: Pixels, value_range: ValueRange) -> NDArray[np.uint8]:
    """Wide values v as floor((v - low) · 255 / (high - low) + 0.5), v limited to [low, high] before."""
    low, high = value_range.low, value_range.high
    limited = values.astype(np.float64).clip(low, high)
    # The exported code has the same operations in the same order, so that both round alike.
    return np.floor((limited - low) * (255 / (high - low)) + 0.5).astype(np.uint8)


def to_8_bits(pixels: Pixels, value_range: ValueRange | None, origin: str) -> NDArray[np.uint8]:
    """An image as a network sees it: wide values scaled by `value_range`, others as they are.

    Args:
        value_range: of the images that the network was trained on; None if all of them had 8 bits.

    Raises:
        BrokenImageError: the image is wide, and `value_range` is None.
    """
    if not is_wide(pixels):
        return pixels
    if value_range is None:
        raise BrokenImageError(
            f"{origin} has more than 8 bits a value, but the network was trained on images with 8 bits; "
            "convert the image to 8 bits",
            origin=origin,
        )
    return scaled(pixels, value_range)
