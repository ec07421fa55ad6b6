"""Ranking many sources without measuring all of them in full: successive halving with bounds.

Few images and one repetition for all, more for those that can still be the closest (Jamieson & Talwalkar,
arXiv:1502.07943, with the cut by 4). A rung is the same recipe with fewer images, so what a rung computes is kept and
found again like any other observation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ldnas.distance.measures import Distance, Measure
from ldnas.distance.ranking import Spread
from ldnas.distance.uncertainty import estimate_column
from ldnas.recipe import Recipe

FINALISTS = 24
"""So many sources, at most, are measured in full; a registry of no more is never halved."""

_CUT = 4

NEGLIGIBLE = 0.002
"""A source whose probability of being the closest is below this can no longer be it."""


@dataclass(frozen=True)
class Rung:
    """One round before the last: how its sources are measured, and how many of them may go on."""

    recipe: Recipe
    repetitions: int
    keep: int

    def cost(self, sources: int) -> int:
        """Images through a Fisher pass."""
        return sources * self.repetitions * self.recipe.samples


def plan_rungs(sources: int, repetitions: int, recipe: Recipe) -> tuple[Rung, ...]:
    """The rounds before the full measurement; none where there are no more than `FINALISTS` sources."""
    rungs: list[Rung] = []
    if sources > _CUT * FINALISTS:
        rungs.append(Rung(_smaller(recipe, 16), 1, max(_CUT * FINALISTS, sources // _CUT)))
    if sources > FINALISTS:
        rungs.append(Rung(_smaller(recipe, 4), min(2, repetitions), FINALISTS))
    return tuple(rungs)


def survivors(distances: Mapping[str, Sequence[Distance]], measure: Measure, *, keep: int) -> tuple[str, ...]:
    """The sources that go on, nearest first: those that can still be the closest, at most `keep`.

    With one repetition nothing is known of the spread over seeds, and `keep` alone decides.
    """
    means = {key: Spread.of(measured).mean for key, measured in distances.items()}
    certainties = estimate_column(distances, measure)
    nearest = sorted(means, key=lambda key: (means[key], key))[:keep]
    return tuple(key for key in nearest if _possible(certainties[key].probability_closest)) or tuple(nearest[:1])


def _possible(probability: float | None) -> bool:
    return probability is None or probability >= NEGLIGIBLE


def _smaller(recipe: Recipe, divisor: int) -> Recipe:
    return replace(
        recipe, samples=max(1, recipe.samples // divisor), probe_images=max(1, recipe.probe_images // divisor)
    )
