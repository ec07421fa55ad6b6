"""Plans the epochs of a race's cycles from the seconds that they have."""

import math
from dataclasses import dataclass
from typing import Self

MOST_PASSES = 100
"""The most passes over the images of a cycle: small networks on small images gain nothing from more."""

FEWEST_EPOCHS = 16
"""A cycle of fewer passes divides each of them into several epochs, so that it ends when its seconds do."""

FEWEST_BATCHES = 4
"""The fewest batches of such an epoch: fewer would be timed too roughly."""

LATE_GAIN = 1.1
"""A cycle on a machine that became faster is planned again if it could have so many times the epochs."""


@dataclass(frozen=True)
class Length:
    """The epochs of a cycle, of which so many `parts` are a pass over the images."""

    epochs: int
    parts: int

    @property
    def passes(self) -> float:
        """Over the images."""
        return self.epochs / self.parts

    @classmethod
    def of(cls, passes: float, *, batches: int) -> Self:
        """The length of a cycle of about so many passes, at most `MOST_PASSES`, each of so many batches."""
        parts = max(1, min(math.ceil(FEWEST_EPOCHS / max(passes, 1 / batches)), batches // FEWEST_BATCHES))
        return cls(max(1, min(int(passes * parts), MOST_PASSES * parts)), parts)

    def after(self, epoch: int, spent: float, left: float) -> Self:
        """The length that the seconds suffice for, seen after the first `epoch` epochs.

        A slower cycle gets fewer epochs. A faster one gets more only if that is worth the small step in its learning
        rate. The last epoch may end half of itself too late or too early.

        Args:
            spent: the seconds of these epochs, more than 0.
            left: the seconds that remain for others; less than 0 if the cycle should have ended.
        """
        affordable = min(epoch + max(0, round(left * epoch / spent)), MOST_PASSES * self.parts)
        is_worth_it = affordable < self.epochs or affordable >= LATE_GAIN * self.epochs
        return type(self)(affordable, self.parts) if is_worth_it else self
