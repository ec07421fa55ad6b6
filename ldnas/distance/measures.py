"""All measures under one contract: each computes a distance from two observations on one target's images.

Symbols: b a source (baseline) task, t the target; F_{b,t} the Fisher diagonal of the source's network on target images.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ldnas.distance.frechet import frechet_shares
from ldnas.distance.log_det import LogDetSummary, LogDetSums
from ldnas.distance.observation import Observation
from ldnas.distance.task2vec import task2vec_asymmetric, task2vec_embedding, task2vec_symmetric
from ldnas.errors import UnknownMeasureError
from ldnas.fisher import FisherDiagonal
from ldnas.recipe import MEASURES

Contributions = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Distance:
    """One network's distance from another, in the measure's unit.

    Attributes:
        value: the distance.
        signed: the difference source minus target without any absolute value; equal to `value` for a measure that takes
            none.
        contributions: of each layer, in the network's order; they add up to `value`. Empty where the measure has none.
        without: the unfolded distance without each group of images, for the jackknife. Only the log-determinant
            measures have it; empty for the others.
    """

    value: float
    signed: float
    contributions: Contributions = ()
    without: tuple[float, ...] = ()


class Measure(Protocol):
    """The contract of every measure; one contract suite runs over all of them.

    A network has distance exactly 0 from itself. Renumbering classes changes nothing in the default recipe, nor
    does the batch size. Smaller is closer.

    Attributes:
        unit: of `Distance.value`.
        folded: whether `value` is |`signed`|.
        relative_noise: whether the distance is never negative and its spread over training seeds grows with its mean.
        greatest: the largest possible value.
        symmetric: whether swapping the two observations leaves the value the same, bit for bit. This does not make task
            distances symmetric: the opposite direction is measured on the other task's images.
        needs_diagonal: whether both observations must carry their Fisher diagonals.
        forecastable: whether a few of M images show what all of them would (decision record 0015).
    """

    unit: str
    folded: bool
    relative_noise: bool
    greatest: float
    symmetric: bool
    needs_diagonal: bool
    forecastable: bool

    def distance(self, source: Observation, target: Observation) -> Distance:
        """From the source's network to the target's, both observed on the target's images.

        Raises:
            ValueError: the two networks do not have the same layers, or a needed diagonal is missing.
        """
        ...


class LogDet:
    """d[b,t] = |L[b,t] − L[t,t]| with L = (1/n) Σ_j log(F^j + σ²), natural logarithms.

    Le et al., arXiv:2103.00241, Eq. 2; Eq. 3 where both networks have n parameters.
    """

    unit = "nats per parameter"
    folded = True
    relative_noise = False
    greatest = math.inf
    symmetric = False
    needs_diagonal = False
    forecastable = False

    def distance(self, source: Observation, target: Observation) -> Distance:
        ours, theirs = source.log_det, target.log_det
        signed = ours.mean_log_det - theirs.mean_log_det
        contributions: Contributions = ()
        if ours.layers == theirs.layers:
            differences = _per_layer(ours.sums.raw, theirs.sums.raw, [ours.parameters] * len(ours.layers))
            contributions = _named(ours, [math.copysign(1.0, signed) * difference for difference in differences])
        return Distance(
            value=abs(signed),
            signed=signed,
            contributions=contributions,
            without=tuple(
                math.fsum(left.raw) / ours.parameters - math.fsum(right.raw) / theirs.parameters
                for left, right in _replicates(ours, theirs)
            ),
        )


class LogDetLayerwise:
    """The mean over layers l of |L_l[b,t] − L_l[t,t]|, each Fisher diagonal divided by its sum.

    Our default for ranking (decision record 0002): Eq. 2 of Le et al. applied per layer, so that layers of few
    parameters count as much as large ones and the overall scale of the gradients drops out.
    """

    unit = "nats per parameter"
    folded = False
    relative_noise = True
    greatest = math.inf
    symmetric = False
    needs_diagonal = False
    forecastable = True

    def distance(self, source: Observation, target: Observation) -> Distance:
        ours, theirs = _same_layers(source.log_det, target.log_det)
        counts = [layer.parameters * len(ours.layers) for layer in ours.layers]
        differences = _per_layer(ours.sums.scaled, theirs.sums.scaled, counts)
        return Distance(
            value=_total(differences),
            signed=math.fsum(differences),
            contributions=_named(ours, [abs(difference) for difference in differences]),
            without=tuple(
                _total(_per_layer(left.scaled, right.scaled, counts)) for left, right in _replicates(ours, theirs)
            ),
        )


class LogMe:
    """LogME[t,t] − LogME[b,t]: the evidence for the labels that the target's own features hold and the source's lack.

    You et al., arXiv:2102.11005. The score itself grows with a source's worth; the difference makes it a distance
    that orders sources in the same way. Negative if the source's features are more informative than the target's own.
    """

    unit = "nats per image"
    folded = False
    relative_noise = False
    greatest = math.inf
    symmetric = False
    needs_diagonal = False
    forecastable = True

    def distance(self, source: Observation, target: Observation) -> Distance:
        value = target.logme - source.logme
        return Distance(value, value)


class Frechet:
    """‖F_{b,t}^{1/2} − F_{t,t}^{1/2}‖₂/√2, both diagonals scaled to unit trace (Le et al., arXiv:2103.12827)."""

    unit = "dimensionless, 0 to 1"
    folded = False
    relative_noise = True
    greatest = 1.0
    symmetric = True
    needs_diagonal = True
    forecastable = False

    def distance(self, source: Observation, target: Observation) -> Distance:
        shares = frechet_shares(*_diagonals(source, target, "frechet"))
        value = math.fsum(share for _, share in shares)
        return Distance(value, value, shares)


class Task2Vec:
    """The cosine distance of normalised filter embeddings (Achille et al., arXiv:1902.03545; see `task2vec`)."""

    unit = "dimensionless, 0 to 1"
    folded = False
    relative_noise = True
    greatest = 1.0
    symmetric = True
    needs_diagonal = True
    forecastable = False

    def distance(self, source: Observation, target: Observation) -> Distance:
        ours, theirs = map(task2vec_embedding, _diagonals(source, target, "task2vec"))
        value = task2vec_symmetric(ours, theirs)
        return Distance(value, value)


class Task2VecAsymmetric:
    """d_asym(b→t) − d_asym(t→t): the asymmetric distance of Achille et al., arXiv:1902.03545, moved to 0 at the target.

    The paper's own value is not 0 from a task to itself; the shift is the same for every source of a target.
    """

    unit = "dimensionless"
    folded = False
    relative_noise = False
    greatest = math.inf
    symmetric = False
    needs_diagonal = True
    forecastable = False

    def distance(self, source: Observation, target: Observation) -> Distance:
        ours, theirs = map(task2vec_embedding, _diagonals(source, target, "task2vec_asymmetric"))
        value = task2vec_asymmetric(ours, theirs) - task2vec_asymmetric(theirs, theirs)
        return Distance(value, value)


_MEASURES: dict[str, Measure] = dict(
    zip(MEASURES, (LogDetLayerwise(), LogDet(), LogMe(), Frechet(), Task2Vec(), Task2VecAsymmetric()), strict=True)
)


def measure(name: str) -> Measure:
    """The measure of that name.

    Raises:
        UnknownMeasureError: no measure has that name.
    """
    if name not in _MEASURES:
        raise UnknownMeasureError(f"no measure is called {name!r}; known are {', '.join(MEASURES)}", field="measure")
    return _MEASURES[name]


def log_det_distance(source: FisherDiagonal, target: FisherDiagonal, *, damping: float) -> float:
    """Distance from the source to the target task, in nats per parameter (Le et al., arXiv:2103.00241, Eq. 2 and 3).

    Both diagonals are taken on data of the target task: the source network's and the target network's.
    """
    return LogDet().distance(_of(source, damping), _of(target, damping)).value


def layerwise_log_det_distance(source: FisherDiagonal, target: FisherDiagonal, *, damping: float) -> float:
    """The layerwise distance of two raw Fisher diagonals, each divided by its sum first; in nats per parameter.

    Raises:
        ValueError: the two networks do not have the same layers.
    """
    return LogDetLayerwise().distance(_of(source, damping), _of(target, damping)).value


def _of(fisher: FisherDiagonal, damping: float) -> Observation:
    return Observation(LogDetSummary.of(fisher, damping=damping), logme=math.nan)


def _same_layers(source: LogDetSummary, target: LogDetSummary) -> tuple[LogDetSummary, LogDetSummary]:
    if source.layers != target.layers:
        raise ValueError("layers differ: the layerwise distance compares two networks of one architecture")
    return source, target


def _per_layer(source: Sequence[float], target: Sequence[float], counts: Sequence[int]) -> list[float]:
    return [(ours - theirs) / count for ours, theirs, count in zip(source, target, counts, strict=True)]


def _total(differences: Sequence[float]) -> float:
    return math.fsum(abs(difference) for difference in differences)


def _named(summary: LogDetSummary, values: Sequence[float]) -> Contributions:
    return tuple((layer.name, value) for layer, value in zip(summary.layers, values, strict=True))


def _replicates(source: LogDetSummary, target: LogDetSummary) -> list[tuple[LogDetSums, LogDetSums]]:
    """Both without the same group of images, so that the effect of a hard image on both cancels in their difference."""
    if len(source.without) != len(target.without):
        return []
    return [*zip(source.without, target.without, strict=True)]


def _diagonals(source: Observation, target: Observation, measure: str) -> tuple[FisherDiagonal, FisherDiagonal]:
    for place, observation in (("source", source), ("target", target)):
        if observation.diagonal is None:
            raise ValueError(
                f"{measure} compares whole Fisher diagonals, and the {place}'s observation carries only sums; "
                "observe it with keep_diagonal"
            )
    assert source.diagonal is not None
    assert target.diagonal is not None
    return source.diagonal, target.diagonal
