"""The range of values in a dataset's images with more than 8 bits, and the scaling of such images to 8 bits."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ldnas.errors import BrokenImageError, InvalidReferenceError

Pixels = NDArray[Any]
"""A decoded image `[H, W, C]`: uint8, or *wide*: integers or floating-point numbers of more than 8 bits."""

_FIELD = "dataset.value_range"


@dataclass(frozen=True)
class ValueRange:
    """The values that become black and white.

    A value v becomes floor((v - low) · 255 / (high - low) + 0.5), v limited to [low, high] before.

    Raises:
        InvalidReferenceError: the numbers are not finite, or `low` is not below `high`.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low < self.high or not math.isfinite(255 / (self.high - self.low) * (self.high - self.low)):
            raise InvalidReferenceError(
                f"{self} is not a range; write two finite numbers, the lower first, such as [0, 4095]", field=_FIELD
            )

    def __str__(self) -> str:
        return f"[{_short(self.low)}, {_short(self.high)}]"

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read `[0, 4095]`."""
        is_pair = isinstance(value, Sequence) and not isinstance(value, str | bytes) and len(value) == 2
        if not is_pair or not all(_is_number(number) for number in value):
            raise InvalidReferenceError(
                "a value range is a list of two numbers, the lower first, such as [0, 4095]", field=_FIELD
            )
        return cls(float(value[0]), float(value[1]))

    def to_json(self) -> list[float]:
        """`[0, 4095]`: whole numbers as integers."""
        return [_short(self.low), _short(self.high)]

    def scaled(self, values: Pixels) -> NDArray[np.uint8]:
        """Wide values as uint8."""
        limited = values.astype(np.float64).clip(self.low, self.high)
        # The exported code has the same operations in the same order, so that both round alike.
        return np.floor((limited - self.low) * (255 / (self.high - self.low)) + 0.5).astype(np.uint8)


def is_wide(pixels: Pixels) -> bool:
    """Whether an image has more than 8 bits a value."""
    return pixels.dtype != np.uint8


def natural_range(lowest: float, highest: float, *, has_fractions: bool) -> ValueRange:
    """The range of a dataset that does not state one, from its lowest and its highest value.

    - Floating-point numbers within [0, 1]: [0, 1].
    - Other values from 0: [0, 2^b - 1], b the fewest bits that hold the highest value, 8 or more. So 8-bit values in a
      16-bit file keep their 8 bits, and 12-bit values become [0, 4095].
    - Values below 0, or of more than 64 bits: from the lowest to the highest.

    Args:
        has_fractions: whether the values are floating-point numbers.
    """
    if lowest < 0 or highest >= 2**64:
        return ValueRange(lowest, highest if highest > lowest else lowest + 1)
    if has_fractions and highest <= 1:
        return ValueRange(0, 1)
    return ValueRange(0, 2 ** max(8, math.ceil(highest).bit_length()) - 1)


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
    return value_range.scaled(pixels)


def _is_number(value: Any) -> bool:
    # An integer beyond the largest float cannot become one.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 1e300


def _short(number: float) -> float:
    return int(number) if float(number).is_integer() else number
