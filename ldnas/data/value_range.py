"""The range of values in a dataset's images with more than 8 bits. Needs no numpy: references state it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from ldnas.errors import InvalidReferenceError

_FIELD = "dataset.value_range"


@dataclass(frozen=True)
class ValueRange:
    """The values that become black (0) and white (255); see `ldnas.data.scaling`.

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


def _is_number(value: Any) -> bool:
    # An integer beyond the largest float cannot become one.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 1e300


def _short(number: float) -> float:
    return int(number) if float(number).is_integer() else number
