"""From distances per repetition to the answer: who is closest, and is it close at all."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ldnas.distance.log_det import Distance


class Verdict(StrEnum):
    """What the distances allow to be said."""

    CLOSEST = "closest"
    NO_CLOSE_TASK = "no_close_task"
    NO_BASELINE = "no_baseline"


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation (None for a single value) over repetitions; nats per parameter."""

    mean: float
    std: float | None
    signed: float
    repetitions: int

    @classmethod
    def of(cls, distances: Sequence[Distance]) -> "Spread":
        values = [distance.value for distance in distances]
        return cls(
            mean=statistics.fmean(values),
            std=statistics.stdev(values) if len(values) > 1 else None,
            signed=statistics.fmean(distance.signed for distance in distances),
            repetitions=len(values),
        )


@dataclass(frozen=True)
class Ranking:
    """The sources in order, nearest first, and the verdict over them."""

    verdict: Verdict
    order: tuple[str, ...]

    @property
    def closest(self) -> str | None:
        return self.order[0] if self.verdict is Verdict.CLOSEST else None


def rank(sources: Mapping[str, Spread], *, untrained: Spread | None) -> Ranking:
    """Ranks sources by mean distance, ties by key, and compares the best with untrained networks.

    `untrained` is the distance of untrained networks of the same architecture: a source that is no nearer than they
    are knows nothing of use here. Without any source there is `no_baseline`.
    """
    order = tuple(sorted(sources, key=lambda key: (sources[key].mean, key)))
    if not order:
        return Ranking(Verdict.NO_BASELINE, order)
    if untrained is not None and sources[order[0]].mean >= untrained.mean:
        return Ranking(Verdict.NO_CLOSE_TASK, order)
    return Ranking(Verdict.CLOSEST, order)
