"""The uncertainty of the distances to one target: intervals over training seeds, and probabilities of being closest.

Two things vary. *Training seeds*: repetition r pairs source network r with target network r, so the spread over
repetitions shows them; part of it (the target's network) moves all sources together. *Images*: all networks see the
same M images, so leaving out a group of them moves all distances together, and the grouped jackknife preserves this.

Symbols: y[b,r] is the unfolded distance of source b in repetition r, its logarithm where the measure's noise is
relative (the spread grows with the mean); K sources, R repetitions. The model is that of a two-way table,
y[b,r] = μ_b + u_r + e[b,r], with u_r the target's share of the training noise and e[b,r] the source's.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ldnas.distance.log_det import jackknife_error
from ldnas.distance.measures import Distance, Measure
from ldnas.seeding import derive_seed

LEVEL = 0.9
"""The confidence level of the intervals, two-sided."""

DRAWS = 4000

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Certainty:
    """The uncertainty of one source's mean distance.

    Attributes:
        interval: 90 % for the expected distance over training seeds, in the measure's unit; None with one repetition.
        probability_closest: the probability that this source's expected distance is the least of all, in [0, 1]; None
            with one repetition.
        standard_error: of the mean distance over draws of the images, in the measure's unit; None where the measure
            gives no jackknife replicates.
    """

    interval: tuple[float, float] | None
    probability_closest: float | None
    standard_error: float | None


def estimate_column(
    distances: Mapping[str, Sequence[Distance]], measure: Measure, *, seed: int = 0
) -> dict[str, Certainty]:
    """The certainty of every source's distance to one target.

    The interval is Student's t around the mean over repetitions, with the variance of training noise pooled over
    sources and the sampling error of the images added; for a folded measure it is taken on the signed difference and
    then folded (0 to the farther end, where it reaches over 0). The probability draws training noise and image noise
    jointly for all sources, `DRAWS` times.

    Args:
        distances: of each source, in order of repetition; those of one repetition share the target's network.
        measure: the measure of the distances.
        seed: of the draws.
    """
    if not distances:
        return {}
    # In a fixed order, so that the order of the sources does not change their draws.
    distances = {key: distances[key] for key in sorted(distances)}
    table = Table.of(distances, measure)
    errors = [_sampling_error(measured) for measured in distances.values()]
    if max(table.repetitions) < 2:
        return {key: Certainty(None, None, error) for key, error in zip(distances, errors, strict=True)}
    noise = TrainingNoise.of(table)
    widths = half_widths(table, noise)
    chances = _chances(table, noise, np.random.default_rng(derive_seed(seed, "probability closest")))
    return {
        key: Certainty(table.interval(mean, width), float(chance), error)
        for key, mean, width, chance, error in zip(distances, table.means, widths, chances, errors, strict=True)
    }


@dataclass(frozen=True, eq=False)
class Table:
    """The column on the scale on which noise is additive, in the order of its sources.

    Attributes:
        values: y `[K, R]`, NaN where a source has fewer repetitions.
        repetitions: of each source `[K]`.
        means: of the distances over repetitions, on this scale `[K]`.
        images: `[K, B]`: the effect of each group of images on the means, scaled so that the sum over groups of (unit
            normal · column) has the jackknife's covariance. Zero columns if it is unknown.
        logarithmic: whether this scale is logarithmic.
        measure: the measure of the distances.
    """

    values: Floats
    repetitions: NDArray[np.int64]
    means: Floats
    images: Floats
    logarithmic: bool
    measure: Measure

    @classmethod
    def of(cls, distances: Mapping[str, Sequence[Distance]], measure: Measure) -> "Table":
        """The table of the distances of each source, in order of repetition."""
        repetitions = np.array([len(measured) for measured in distances.values()])
        unfolded = np.full((len(distances), repetitions.max()), np.nan)
        for row, measured in zip(unfolded, distances.values(), strict=True):
            row[: len(measured)] = [d.signed if measure.folded else d.value for d in measured]
        # An exact 0 (one network on both sides) has no logarithm.
        logarithmic = measure.relative_noise and bool((unfolded[~np.isnan(unfolded)] > 0).all())
        images = image_effects([*distances.values()])
        means = np.nanmean(unfolded, axis=1)
        if logarithmic:
            # The logarithm of the mean, not the mean of logarithms: the quantity of interest is the expected distance.
            images, unfolded, means = images / means[:, None], np.log(unfolded), np.log(means)
        return cls(unfolded, repetitions, means, images, logarithmic, measure)

    def interval(self, mean: float, half_width: float) -> tuple[float, float]:
        """Convert an interval back to the measure's unit, within its range."""
        low, high = float(mean - half_width), float(mean + half_width)
        if self.logarithmic:
            low, high = math.exp(low), math.exp(high)
        elif self.measure.folded:
            low, high = 0.0 if low <= 0 <= high else min(abs(low), abs(high)), max(abs(low), abs(high))
        elif self.measure.relative_noise:
            low = max(0.0, low)
        return low, min(high, self.measure.greatest)

    def without_shared_noise(self) -> Floats:
        """The means `[K]` as if every source had been measured in all repetitions of the target.

        A source with fewer repetitions was compared with only some of the target's networks, whose share u_r then does
        not cancel; it is estimated from the sources with all repetitions.
        """
        complete = self.values[self.repetitions == self.repetitions.max()]
        shared = complete.mean(axis=0) - complete.mean()
        met = [shared[:count].mean() if count < len(shared) else 0.0 for count in self.repetitions]
        unshared: Floats = self.means - np.array(met)
        return unshared


@dataclass(frozen=True)
class TrainingNoise:
    """Variances of y over training seeds, by the two-way analysis of variance of the sources with all repetitions.

    Attributes:
        variance: σ_u² + σ_e², of one repetition of one source.
        freedom: its degrees of freedom (Satterthwaite 1946, Biometrics Bulletin 2:110).
        shared, own: σ_u² and σ_e², with the degrees of freedom of each.
    """

    variance: float
    freedom: float
    shared: float
    shared_freedom: float
    own: float
    own_freedom: float

    @classmethod
    def of(cls, table: Table) -> "TrainingNoise":
        """The variances of a table with at least two repetitions."""
        complete = table.values[table.repetitions == table.repetitions.max()]
        sources, repetitions = complete.shape
        by_repetition = complete.mean(axis=0)
        mean_square_shared = sources * float(by_repetition.var(ddof=1))
        freedom_shared = repetitions - 1
        if sources == 1:
            return cls(mean_square_shared, freedom_shared, 0.0, 1.0, mean_square_shared, freedom_shared)
        residuals = complete - complete.mean(axis=1, keepdims=True) - by_repetition + complete.mean()
        freedom_own = (sources - 1) * (repetitions - 1)
        mean_square_own = float((residuals**2).sum()) / freedom_own
        parts = (mean_square_shared / sources, mean_square_own * (sources - 1) / sources)
        spread = parts[0] ** 2 / freedom_shared + parts[1] ** 2 / freedom_own
        return cls(
            variance=sum(parts),
            freedom=sum(parts) ** 2 / spread if spread > 0 else freedom_shared + freedom_own,
            shared=max(0.0, (mean_square_shared - mean_square_own) / sources),
            shared_freedom=freedom_shared,
            own=mean_square_own,
            own_freedom=freedom_own,
        )


def half_widths(table: Table, noise: TrainingNoise) -> Floats:
    """Half widths of the intervals `[K]`: Student's t on both parts, with Satterthwaite's degrees of freedom."""
    training, images = noise.variance / table.repetitions, (table.images**2).sum(axis=1)
    spread = training**2 / noise.freedom + images**2 / max(1, table.images.shape[1] - 1)
    freedom = np.where(spread > 0, (training + images) ** 2 / np.where(spread > 0, spread, 1.0), noise.freedom)
    widths: Floats = stats.t.ppf(0.5 + LEVEL / 2, freedom) * np.sqrt(training + images)
    return widths


def _chances(table: Table, noise: TrainingNoise, generator: np.random.Generator) -> Floats:
    """For each source, how often its drawn mean is the least of all; ties are shared."""
    sources, groups = table.images.shape
    own = np.sqrt(noise.own / table.repetitions) * generator.standard_normal((DRAWS, sources))
    own /= np.sqrt(generator.chisquare(noise.own_freedom, (DRAWS, 1)) / noise.own_freedom)
    shared = math.sqrt(noise.shared / table.repetitions.max()) * generator.standard_t(noise.shared_freedom, (DRAWS, 1))
    images = generator.standard_normal((DRAWS, groups)) @ table.images.T
    drawn = table.without_shared_noise() + own + shared + images
    if table.measure.folded:
        drawn = np.abs(drawn)
    least = drawn == drawn.min(axis=1, keepdims=True)
    chances: Floats = (least / least.sum(axis=1, keepdims=True)).mean(axis=0)
    return chances


def image_effects(columns: Sequence[Sequence[Distance]]) -> Floats:
    """√((B−1)/B)·(θ₋ₖ − θ̄) of each source's mean distance, `[K, B]`."""
    replicates = [_replicates(measured) for measured in columns]
    groups = min(len(means) for means in replicates)
    if groups < 2 or any(len(means) != groups for means in replicates):
        return np.zeros((len(columns), 1))
    effects = np.array(replicates)
    centred: Floats = math.sqrt((groups - 1) / groups) * (effects - effects.mean(axis=1, keepdims=True))
    return centred


def _sampling_error(measured: Sequence[Distance]) -> float | None:
    return jackknife_error(_replicates(measured))


def _replicates(measured: Sequence[Distance]) -> list[float]:
    """The mean unfolded distance over repetitions without each group of images."""
    return [math.fsum(without) / len(measured) for without in zip(*(d.without for d in measured), strict=False)]
