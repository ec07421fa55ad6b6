"""Images with 8 bits that are nearly black: masks of labels, or images whose values were scaled wrongly."""

import numpy as np

from ldnas.data.scaling import Pixels, is_wide

MOST_LEVELS = 8
"""At most so many different values in all images are reported, if the highest of them is below `DARK`."""
DARK = 64


class FewLevelsFinder:
    """Collects the values of a dataset's images: `add` every one."""

    def __init__(self) -> None:
        self._values: set[int] = set()
        self._has_enough = False

    def add(self, pixels: Pixels) -> None:
        """Note the values of an image; a wide one ends the search, since its range has a warning of its own."""
        if self._has_enough:
            return
        if is_wide(pixels) or pixels.max() >= DARK:
            self._has_enough = True
            return
        self._values.update(np.flatnonzero(np.bincount(pixels.reshape(-1))).tolist())
        self._has_enough = len(self._values) > MOST_LEVELS

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence where few grey levels occur, all of them dark; none otherwise."""
        if self._has_enough or not self._values:
            return ()
        levels = "1 grey level" if len(self._values) == 1 else f"{len(self._values)} grey levels"
        low, high = min(self._values), max(self._values)
        place = f"{high}" if low == high else f"between {low} and {high}"
        return (
            f"few grey levels are left: the images have 8 bits and {levels}, {place} of 255, so they are nearly black; "
            "scale their values to 0 to 255, or add the images in place of masks of labels",
        )
