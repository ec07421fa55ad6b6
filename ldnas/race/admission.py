"""Decides which candidates the seconds of a race suffice for."""

from collections.abc import Sequence
from dataclasses import dataclass

from ldnas.data.part import ENOUGH_IMAGES
from ldnas.race.candidate import Candidate

RUNG_SHARE = 0.3
"""The share of the remaining seconds that a rung gets while more than one candidate races: choosing must not cost what
the training needs."""

LARGE_SHARE = 0.5
"""The share of the first rung where `RUNG_SHARE` does not suffice for two candidates: a choice between two kinds of
networks is worth more than the longer training of one."""

FIRST_EPOCHS = 2
"""The fewest epochs of a first cycle whose score says anything about a candidate."""

PREPARATION_EPOCHS = 0.5
"""The assumed cost of a candidate's preparation, in epochs: the images pass forwards, and the head is fitted."""

FINAL_SHARE = 0.7
"""The share of the seconds that a candidate can expect to train for if it wins; see `Candidate.least_epochs`."""


@dataclass(frozen=True, eq=False)
class Forecast:
    """A candidate with the predicted seconds of a pass over so many training images."""

    candidate: Candidate
    pass_seconds: float
    images: int

    @property
    def epoch_seconds(self) -> float:
        """Seconds of an epoch as this module counts them: of a pass, or of `ENOUGH_IMAGES` where it has more."""
        return self.pass_seconds * min(1.0, ENOUGH_IMAGES / self.images)


def admit(groups: Sequence[Sequence[Forecast]], left: float) -> tuple[tuple[Forecast, ...], float]:
    """The most candidates that the seconds suffice for side by side, and the seconds of each in the first rung.

    The first group takes part if the seconds suffice for it at all. Where they are too few to compare two candidates,
    the first rung gets `LARGE_SHARE` of them. If they suffice for none, the one with the cheapest epoch takes part.

    Args:
        groups: the variants of each group, of which at most one is admitted, the first that fits.
        left: the seconds that the forecasts left.
    """
    first_could = any(_fits(variant, left, 1) for variant in groups[0])
    sizes = [(racing, RUNG_SHARE) for racing in range(len(groups), 1, -1)]
    for racing, portion in (*sizes, (2, LARGE_SHARE), (1, RUNG_SHARE)):
        fitting = [next((own for own in group if _fits(own, left, racing, portion)), None) for group in groups]
        admitted = tuple(own for own in fitting if own is not None)[:racing]
        if len(admitted) == racing and (fitting[0] is not None or not first_could):
            return admitted, _first_share(admitted, rung_share(racing, left, portion))
    cheapest = min((group[-1] for group in groups), key=lambda own: own.epoch_seconds)
    return (cheapest,), rung_share(1, left)


def rung_share(racing: int, left: float, portion: float = RUNG_SHARE) -> float:
    """The seconds of each of so many candidates in a rung that gets this portion; the last one gets all."""
    return left if racing == 1 else portion * left / racing


def _first_share(admitted: Sequence[Forecast], most: float) -> float:
    """The seconds of each candidate in the first rung, at most `most`.

    Where these do not suffice to tune a prepared candidate for a whole pass, its head is all that the rung can compare,
    and the rung takes no longer than that and the others' `FIRST_EPOCHS`.
    """
    prepared = [own.epoch_seconds for own in admitted if own.candidate.prepare is not None]
    if len(admitted) == 1 or all((PREPARATION_EPOCHS + 1) * epoch <= most for epoch in prepared):
        return most
    return min(most, max(map(_first_seconds, admitted)))


def _first_seconds(own: Forecast) -> float:
    """The fewest seconds of a first rung."""
    return own.epoch_seconds * (FIRST_EPOCHS if own.candidate.prepare is None else PREPARATION_EPOCHS)


def _fits(own: Forecast, left: float, racing: int, portion: float = RUNG_SHARE) -> bool:
    """Whether the seconds suffice for this candidate if so many race, and the first rung gets this portion."""
    fits_first = _first_seconds(own) <= rung_share(racing, left, portion)
    return fits_first and own.candidate.least_epochs * own.epoch_seconds <= FINAL_SHARE * left
