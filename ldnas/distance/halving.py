"""Ranks many sources without measuring all of them in full: successive halving with bounds.

Few images and one repetition for all, more for those that can still be the closest (successive halving: Jamieson &
Talwalkar, arXiv:1502.07943). A rung is the same recipe with fewer images, so its observations are stored and reused
like any others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ldnas.distance.economy import FEWEST_IMAGES, OVERHEAD_IMAGES, reduced
from ldnas.distance.measures import Distance, Measure
from ldnas.distance.ranking import Spread
from ldnas.distance.uncertainty import estimate_column
from ldnas.recipe import Recipe

FINALISTS = 24
"""The most sources that are measured in full; a registry with no more sources is never halved."""

NEGLIGIBLE = 0.002
"""A source that is this much less probable than the best one can no longer be the closest."""


@dataclass(frozen=True)
class Rung:
    """One round before the last: how its sources are measured, and how many of them may reach the next round."""

    recipe: Recipe
    repetitions: int
    keep: int


def plan_rungs(sources: int, repetitions: int, recipe: Recipe, *, images: int) -> tuple[Rung, ...]:
    """Plan the rounds before the full measurement so that the total cost is lowest.

    All sources are measured with a sixteenth of the images and one repetition, the remaining ones with a quarter and
    two.

    Args:
        sources: K, the number of sources.
        repetitions: R, of the full measurement.
        recipe: of the full measurement.
        images: the number of images that the target can be observed on; M is at most that.
    """
    samples = min(recipe.samples, images)
    # With one repetition in all, the second round costs as much as the first for each remaining source.
    share = 4 if repetitions > 1 else 8
    kept_of_all = max(16 * FINALISTS // share, sources // share)
    first = Rung(reduced(recipe, images, 16), 1, kept_of_all)
    second = Rung(reduced(recipe, images, 4), min(2, repetitions), FINALISTS)
    plans = [plan for plan in ((), (second,), (first, second)) if all(r.recipe.samples >= FEWEST_IMAGES for r in plan)]
    return min(plans, key=lambda plan: work(plan, sources, repetitions, samples, overhead=OVERHEAD_IMAGES))


def work(plan: Sequence[Rung], sources: int, repetitions: int, samples: int, *, overhead: int = 0) -> int:
    """The number of images through Fisher passes, including the full measurement of the remaining sources.

    `overhead` is the additional cost of every observation, in images.
    """
    images, left = 0, sources
    for rung in plan:
        images += left * rung.repetitions * (rung.recipe.samples + overhead)
        left = min(left, rung.keep)
    return images + left * repetitions * (samples + overhead)


def survivors(distances: Mapping[str, Sequence[Distance]], measure: Measure, *, keep: int) -> tuple[str, ...]:
    """The sources that reach the next round, nearest first: those that can still be the closest, at most `keep`.

    With one repetition the spread over seeds is unknown, and `keep` alone decides.
    """
    means = {key: Spread.of(measured).mean for key, measured in distances.items()}
    chances = {key: certainty.probability_closest for key, certainty in estimate_column(distances, measure).items()}
    least = NEGLIGIBLE * max((chance for chance in chances.values() if chance is not None), default=0.0)
    nearest = sorted(means, key=lambda key: (means[key], key))[:keep]
    left = tuple(key for key in nearest if (chance := chances[key]) is None or chance >= least)
    return left or tuple(nearest[:1])
