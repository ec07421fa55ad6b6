"""Ranks sources by their distances: which is closest, how certain that is, and whether it is close at all."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ldnas.distance.measures import Contributions, Distance
from ldnas.distance.uncertainty import Certainty

SURE = 0.9
"""A source with at least this probability is the closest; otherwise the most probable ones that reach it are tied."""


class Verdict(StrEnum):
    """The conclusion from the distances: the first that holds, in this order."""

    NO_BASELINE = "no_baseline"
    NO_CLOSE_TASK = "no_close_task"
    TIE = "tie"
    CLOSEST = "closest"


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation (None for a single value) over repetitions, in the measure's unit.

    `contributions` of the layers are means over repetitions and add up to `mean`; empty where the measure has none.
    """

    mean: float
    std: float | None
    signed: float
    repetitions: int
    contributions: Contributions = ()

    @classmethod
    def of(cls, distances: Sequence[Distance]) -> "Spread":
        values = [distance.value for distance in distances]
        by_layer = zip(*(distance.contributions for distance in distances), strict=True)
        return cls(
            mean=statistics.fmean(values),
            std=statistics.stdev(values) if len(values) > 1 else None,
            signed=statistics.fmean(distance.signed for distance in distances),
            repetitions=len(values),
            contributions=tuple((layer[0][0], statistics.fmean(value for _, value in layer)) for layer in by_layer),
        )


@dataclass(frozen=True)
class Ranking:
    """The sources in order, nearest first, and the verdict over them.

    `closest` is the source whose space is searched: one where the verdict is `closest`, the tied ones (the fewest,
    most probable first, whose probabilities add up to `SURE`) for the verdict `tie`, none otherwise.
    """

    verdict: Verdict
    order: tuple[str, ...]
    closest: tuple[str, ...] = ()


def rank(sources: Mapping[str, Spread], certainties: Mapping[str, Certainty], *, untrained: Spread | None) -> Ranking:
    """Rank sources by mean distance, ties by key, and give the verdict on the best.

    `untrained` is the distance of untrained networks of the same architecture: `no_close_task` where no source's
    interval lies below it. With a single repetition intervals and probabilities are unknown, and means alone decide.
    """
    order = tuple(sorted(sources, key=lambda key: (sources[key].mean, key)))
    if not order:
        return Ranking(Verdict.NO_BASELINE, order)
    if untrained is not None and not any(_upper(sources[key], certainties[key]) < untrained.mean for key in order):
        return Ranking(Verdict.NO_CLOSE_TASK, order)
    known = {key: probability for key in order if (probability := certainties[key].probability_closest) is not None}
    if not known:
        return Ranking(Verdict.CLOSEST, order, order[:1])
    concluded = conclude(known)
    return Ranking(concluded.verdict, order, concluded.closest)


def conclude(probabilities: Mapping[str, float]) -> Ranking:
    """The verdict and the closest sources by their probabilities; of equal ones the first one given comes first."""
    tied: list[str] = []
    for key in sorted(probabilities, key=lambda key: -probabilities[key]):
        tied.append(key)
        if math.fsum(probabilities[one] for one in tied) >= SURE - 1e-9:  # three tenths and six are nine
            break
    return Ranking(Verdict.TIE if len(tied) > 1 else Verdict.CLOSEST, tuple(probabilities), tuple(tied))


def _upper(spread: Spread, certainty: Certainty) -> float:
    return spread.mean if certainty.interval is None else certainty.interval[1]
