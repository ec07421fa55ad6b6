"""The values of a dataset's images with more than 8 bits: found over all images, then scaled by one range."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldnas.data.scaling import Pixels, is_wide, scaled
from ldnas.data.value_range import ValueRange, natural_range
from ldnas.errors import InvalidReferenceError, UnreadableDatasetError

FEW_LEVELS = 64
"""Fewer grey levels than this are reported, as are levels that lie closer together."""

_COUNTED_VALUES = 1024


@dataclass(frozen=True)
class WideValues:
    """The values in a dataset's images with more than 8 bits, and the grey levels that 8 bits leave of them.

    Attributes:
        value_range: the range that scales them, stated or found.
        lowest, highest: the values that occur.
        distinct: how many values occur, counted up to 1024.
        levels: how many grey levels they become, 1 to 256.
        darkest, brightest: the first and the last of these levels, 0 to 255.
    """

    value_range: ValueRange
    lowest: float
    highest: float
    distinct: int
    levels: int
    darkest: int
    brightest: int

    @property
    def warning(self) -> str | None:
        """A sentence where few grey levels are left, or all of them lie close together."""
        loses = self.levels < min(FEW_LEVELS, self.distinct)
        if not loses and self.brightest - self.darkest >= FEW_LEVELS:
            return None
        levels = f"1 grey level, {self.darkest} of 255"
        if self.levels > 1:
            levels = f"{self.levels} grey levels between {self.darkest} and {self.brightest} of 255"
        values = ValueRange(self.lowest, self.highest) if self.lowest < self.highest else None
        more = " or more" if self.distinct == _COUNTED_VALUES else ""
        count = "1 value" if self.distinct == 1 else f"{self.distinct:,}{more} different values"
        narrower = f", such as {values}" if values not in (None, self.value_range) else ""
        return (
            f"few grey levels are left: the images with more than 8 bits have {count}, "
            f"{self.lowest:g} to {self.highest:g}, and the value range {self.value_range} makes them {levels}; state a "
            f"narrower value_range{narrower}"
        )

    def to_json(self) -> dict[str, Any]:
        """The attributes and the warning."""
        return {**asdict(self), "value_range": self.value_range.to_json(), "warning": self.warning}


class WideValuesFinder:
    """Collects the values of a dataset in two passes: `add` every image, then `scaled` every image.

    Args:
        stated: the range that the dataset's reference states, or None.
    """

    def __init__(self, stated: ValueRange | None) -> None:
        self._stated = stated
        self._lowest, self._highest = np.inf, -np.inf
        self._kinds: set[bool] = set()
        self._distinct: set[float] = set()
        self._levels = np.zeros(256, dtype=bool)
        self._range: ValueRange | None = None

    def add(self, pixels: Pixels, origin: str) -> None:
        """Note the values of an image; one with 8 bits changes nothing.

        Raises:
            UnreadableDatasetError: no range is stated, and integers and floating-point numbers occur in one dataset.
        """
        if not is_wide(pixels):
            return
        self._lowest = min(self._lowest, float(pixels.min()))
        self._highest = max(self._highest, float(pixels.max()))
        self._kinds.add(pixels.dtype.kind == "f")
        if len(self._kinds) > 1 and self._stated is None:
            kind = "floating-point numbers" if pixels.dtype.kind == "f" else "integers of more than 8 bits"
            raise UnreadableDatasetError(
                f"{origin} has {kind}, and images before it the other kind; store all alike, or state the value_range "
                "of both",
                origin=origin,
            )
        if len(self._distinct) < _COUNTED_VALUES:
            self._distinct.update(np.unique(pixels).tolist())

    @property
    def value_range(self) -> ValueRange | None:
        """The range, stated or found; None while all images have 8 bits."""
        if not self._kinds:
            return None
        if self._range is None:
            self._range = self._stated or natural_range(self._lowest, self._highest, has_fractions=True in self._kinds)
        return self._range

    def scaled(self, pixels: Pixels) -> NDArray[np.uint8]:
        """An image that was added, as uint8."""
        value_range = self.value_range
        if not is_wide(pixels) or value_range is None:
            return pixels
        levels = scaled(pixels, value_range)
        self._levels |= np.bincount(levels.reshape(-1), minlength=256) > 0
        return levels

    def found(self, name: str) -> WideValues | None:
        """The values, after the second pass; None where all images have 8 bits.

        Args:
            name: of the dataset, for messages.

        Raises:
            InvalidReferenceError: a range is stated, and no image has more than 8 bits.
        """
        value_range = self.value_range
        if value_range is None:
            if self._stated is not None:
                raise InvalidReferenceError(
                    f"value_range is for images with more than 8 bits, and {name} has none; leave it out",
                    field="dataset.value_range",
                )
            return None
        levels = np.flatnonzero(self._levels)
        return WideValues(
            value_range=value_range,
            lowest=self._lowest,
            highest=self._highest,
            distinct=min(len(self._distinct), _COUNTED_VALUES),
            levels=len(levels),
            darkest=int(levels[0]),
            brightest=int(levels[-1]),
        )
