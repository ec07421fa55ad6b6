"""Pools the scores of cells over tasks: a cell that is good on some tasks is expected to be good on others.

    y[g, c] = m[g] + u[c] + e,    u[c] ~ N(0, τ²),    e ~ N(0, σ²/w)

y[g, c] is the accuracy of cell c in group g (`CellScore.group`: one task, one way of training), m[g] the mean of the
group (fixed), u[c] the effect of the cell, shared by all tasks, and w the weight of the task, 1 if all count alike. e
holds seed, images, and the part of the cell's effect that this task alone has. Needs no torch.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldnas.memory.scores import CellScore
from ldnas.space.genotype import Genotype

Array = NDArray[np.float64]

UNKNOWN_DEVIATION = 0.015
"""τ and σ where no two scores compare: between random cells and between seeds 1 to 2 points were seen on the paper's
tasks 3, 4, 6 and 7 after four epochs (16 pixels, 2,000 images)."""

LEAST_SHARE = 0.05
"""The least share of τ² and of σ² in the whole variance. From few scores the estimate of τ² is often negative; 0 would
make all cells equal and lose their order."""

LEAST_VARIANCE = 1e-6
"""The least whole variance: a deviation of a tenth of a point."""

# Equal scores must give equal effects, and eigenvectors have rounding errors.
_DIGITS = 12


@dataclass(frozen=True)
class Effect:
    """The advantage of a cell over an average cell, in accuracy (a difference of fractions in [0, 1])."""

    mean: float
    standard_deviation: float


@dataclass(frozen=True)
class PooledScores:
    """The posterior of the cells' effects.

    Attributes:
        effects: of each evaluated cell, the best first; of equal ones in the order of the scores.
        cell_deviation: τ.
        noise_deviation: σ.
        tasks: the number of tasks that the scores come from.
    """

    effects: Mapping[Genotype, Effect]
    cell_deviation: float
    noise_deviation: float
    tasks: int

    def advantage(self, genotype: Genotype) -> Effect:
        """The predicted advantage over an average cell on a task without scores, whose own noise is included.

        A cell without a score is an average one: mean 0.
        """
        effect = self.effects.get(genotype, Effect(0.0, self.cell_deviation))
        return Effect(effect.mean, math.hypot(effect.standard_deviation, self.noise_deviation))


@dataclass(frozen=True)
class _Moments:
    """The sums that variances and effects follow from, after the means of the groups are taken out.

    Attributes:
        information: A = Zᵀ W (I − P) Z, [C, C], where Z assigns scores to cells, W has the weights and P takes the
            weighted mean of each group.
        response: b = Zᵀ W (I − P) y, [C].
        total: yᵀ W (I − P) y.
        degrees: scores minus groups.
        squared_error: the mean square of the known standard errors; 0 if none is known.
    """

    information: Array
    response: Array
    total: float
    degrees: int
    squared_error: float


def pool(scores: Sequence[CellScore], weights: Mapping[str, float] | None = None) -> PooledScores:
    """The effects of the cells from the scores of all tasks, in closed form.

    The variances are those of Henderson's method 3 (Biometrics 9, 1953; Searle, Casella & McCulloch, Variance
    Components, 1992, section 5.5): the sums of squares of the model without and with cells, each equal to its
    expectation. Then u has the mean (I/τ² + A/σ²)⁻¹ b/σ² and the covariance (I/τ² + A/σ²)⁻¹, the best linear unbiased
    prediction (Henderson, Biometrics 31, 1975) under flat priors on the means of the groups.

    Args:
        scores: in any order; a cell may have several.
        weights: of each task, above 0; a task that is not named has the least of them. None: all count alike.
    """
    cells = list(dict.fromkeys(score.genotype for score in scores))
    moments = _moments(scores, cells, weights or {})
    values, vectors = np.linalg.eigh(moments.information)
    values = np.where(values > 1e-9 * max(1.0, *values), values, 0.0) if cells else values
    response = vectors.T @ moments.response
    cell, noise = _variances(moments, values, response)
    gain = cell / (noise + cell * values)
    means, variances = vectors @ (gain * response), vectors**2 @ (noise * gain)
    effects = {
        genotype: Effect(round(float(mean), _DIGITS), math.sqrt(variance))
        for genotype, mean, variance in zip(cells, means, variances, strict=True)
    }
    best_first = sorted(effects.items(), key=lambda item: -item[1].mean)
    return PooledScores(dict(best_first), math.sqrt(cell), math.sqrt(noise), len({score.task for score in scores}))


def _moments(scores: Sequence[CellScore], cells: Sequence[Genotype], weights: Mapping[str, float]) -> _Moments:
    least = min(weights.values(), default=1.0)
    cell_numbers = {genotype: number for number, genotype in enumerate(cells)}
    groups = list(dict.fromkeys(score.group for score in scores))
    group_numbers = {group: number for number, group in enumerate(groups)}
    column = np.array([cell_numbers[score.genotype] for score in scores], dtype=np.int64)
    row = np.array([group_numbers[score.group] for score in scores], dtype=np.int64)
    weight = np.array([weights.get(score.task, least) for score in scores], dtype=np.float64)
    accuracy = np.array([score.accuracy for score in scores], dtype=np.float64)
    by_group: Array = np.zeros((len(groups), len(cells)))
    np.add.at(by_group, (row, column), weight)
    group_weight = np.bincount(row, weight, len(groups))
    means = np.bincount(row, weight * accuracy, len(groups)) / group_weight
    centred = accuracy - means[row]
    shared = by_group / group_weight[:, None]
    errors = [score.standard_error**2 for score in scores if score.standard_error is not None]
    return _Moments(
        information=np.diag(by_group.sum(axis=0)) - by_group.T @ shared,
        response=np.bincount(column, weight * centred, len(cells)).astype(np.float64),
        total=float(weight @ centred**2),
        degrees=len(scores) - len(groups),
        squared_error=sum(errors) / len(errors) if errors else 0.0,
    )


def _variances(moments: _Moments, values: Array, response: Array) -> tuple[float, float]:
    """τ² and σ² from the eigenvalues of A and b in its eigenvectors."""
    if moments.degrees == 0:
        return UNKNOWN_DEVIATION**2, UNKNOWN_DEVIATION**2
    known = values > 0
    trace = float(values.sum())
    whole = max(moments.total / moments.degrees, LEAST_VARIANCE)
    degrees = moments.degrees - int(known.sum())
    if degrees > 0:
        residual = moments.total - float((response[known] ** 2 / values[known]).sum())
        noise = residual / degrees
    else:
        # No cell stands in two groups, so that effects and noise cannot be separated: half of the variance each. The
        # correlation of a cell's score on one task with that on another, which is that half, was .49.
        noise = moments.total / (moments.degrees + trace)
    noise = max(noise, moments.squared_error, LEAST_SHARE * whole)
    cell = (moments.total - moments.degrees * noise) / trace if trace else UNKNOWN_DEVIATION**2
    return max(cell, LEAST_SHARE * whole), noise
