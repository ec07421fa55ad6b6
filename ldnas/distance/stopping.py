"""Measures a column on growing numbers of images until its verdict is decided.

The images of a step are among those of the next one, so the mean over all M images differs from that over m of them
with the variance σ²·(1/m − 1/M), of which the jackknife over the m images gives σ²/m. Training noise does not change
with images: a column that is uncertain for its training noise alone is decided too.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ldnas.distance.measures import Distance, Measure
from ldnas.distance.ranking import Ranking, Spread, Verdict, conclude
from ldnas.distance.uncertainty import Floats, Table, TrainingNoise, half_widths, image_effects
from ldnas.seeding import derive_seed

TOLERANCE = 0.02
"""A column is decided where all images would change its verdict with at most this probability."""

FUTURES = 200
DRAWS = 1000


def probability_unchanged(
    distances: Mapping[str, Sequence[Distance]],
    measure: Measure,
    *,
    untrained: Sequence[Distance],
    share: float,
    ranking: Ranking,
    seed: int = 0,
) -> float | None:
    """The probability that all images would give the same verdict and the same closest sources as `ranking`.

    It is the share of `FUTURES` draws of what the remaining images add to the distances, by Student's t with the
    degrees of freedom of the jackknife; each is concluded with `DRAWS` draws of training noise and remaining image
    noise, the same ones for all. None with one repetition, whose training noise is unknown, and for a measure that
    cannot be forecast.

    Args:
        distances: of each source, in order of repetition.
        measure: the measure of the distances.
        untrained: the distances of untrained networks, on the same images.
        share: m/M, in (0, 1].
        ranking: the conclusion from these distances.
        seed: of the draws.
    """
    if not measure.forecastable or not distances or max(map(len, distances.values())) < 2:
        return None
    distances = {key: distances[key] for key in sorted(distances)}
    table = Table.of(distances, measure)
    noise = TrainingNoise.of(table)
    generator = np.random.default_rng(derive_seed(seed, "remaining images"))
    groups = table.images.shape[1]
    freedom = max(1, groups - 1)
    added = math.sqrt(1 - share) * generator.standard_normal((FUTURES, groups))
    added /= np.sqrt(generator.chisquare(freedom, (FUTURES, 1)) / freedom)
    settled = replace(table, images=table.images * math.sqrt(share))
    drawn = _noise(settled, noise, generator) + table.without_shared_noise()
    widths, limits = half_widths(settled, noise), _untrained(untrained, table, added)
    keys, now = list(distances), (ranking.verdict, frozenset(ranking.closest))
    same = 0
    for moved, limit in zip(added @ table.images.T, limits, strict=True):
        uppers = [table.interval(mean, width)[1] for mean, width in zip(table.means + moved, widths, strict=True)]
        if min(uppers) >= limit:
            same += now == (Verdict.NO_CLOSE_TASK, frozenset())
            continue
        means = np.abs(drawn + moved) if measure.folded else drawn + moved
        chances = np.bincount(means.argmin(axis=1), minlength=len(keys)) / DRAWS
        concluded = conclude(dict(zip(keys, chances.tolist(), strict=True)))
        same += now == (concluded.verdict, frozenset(concluded.closest))
    return same / FUTURES


def _noise(table: Table, noise: TrainingNoise, generator: np.random.Generator) -> Floats:
    """Draws of all noise of the means that is left once all images are measured, `[DRAWS, K]`.

    The target's share moves all sources alike; it matters to none of the conclusions of a measure without folding.
    """
    sources, groups = table.images.shape
    own = np.sqrt(noise.own / table.repetitions) * generator.standard_normal((DRAWS, sources))
    own /= np.sqrt(generator.chisquare(noise.own_freedom, (DRAWS, 1)) / noise.own_freedom)
    shared = math.sqrt(noise.shared / table.repetitions.max()) * generator.standard_t(noise.shared_freedom, (DRAWS, 1))
    drawn: Floats = own + shared + generator.standard_normal((DRAWS, groups)) @ table.images.T
    return drawn


def _untrained(untrained: Sequence[Distance], table: Table, added: Floats) -> Floats:
    """The distance of untrained networks in each future, in the measure's unit."""
    mean = Spread.of(untrained).mean
    (effects,) = image_effects([untrained])
    if len(effects) != added.shape[1]:
        return np.full(len(added), mean)
    moved: Floats = mean * np.exp(added @ effects / mean) if table.logarithmic else np.abs(mean + added @ effects)
    return moved
