"""The log-determinant distances, from Fisher diagonals or from the two sums per tensor that they need.

Symbols: F^j is the j-th of n diagonal entries of the empirical Fisher information of a network on the data of the
target task t, σ² the damping, b a source (baseline) task. Natural logarithms throughout, so distances are in nats per
parameter.
"""

from dataclasses import dataclass
from typing import Any

import torch

from ldnas.fisher import FisherDiagonal


@dataclass(frozen=True)
class LayerSums:
    """What a layer contributes: its number of parameters, Σ log(F + σ²) and Σ log(F/ΣF + σ²), in nats."""

    parameters: int
    log_raw: float
    log_scaled: float


@dataclass(frozen=True)
class LogDetSummary:
    """All that either measure needs of one Fisher diagonal, at one damping."""

    layers: tuple[LayerSums, ...]

    @classmethod
    def of(cls, fisher: FisherDiagonal, *, damping: float) -> "LogDetSummary":
        """Sums in float64, layer by layer in the diagonal's own order."""
        blocks = {name: block.double() for name, block in fisher.blocks.items()}
        total = torch.stack([block.sum() for block in blocks.values()]).sum()
        scale = total if total > 0 else torch.ones_like(total)
        layers = []
        for names in fisher.layers:
            values = torch.cat([blocks[name].flatten() for name in names])
            layers.append(
                LayerSums(
                    parameters=values.numel(),
                    log_raw=float(torch.log(values + damping).sum()),
                    log_scaled=float(torch.log(values / scale + damping).sum()),
                )
            )
        return cls(tuple(layers))

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "LogDetSummary":
        return cls(tuple(LayerSums(int(n), float(raw), float(scaled)) for n, raw, scaled in value["layers"]))

    def to_json(self) -> dict[str, Any]:
        return {"layers": [[layer.parameters, layer.log_raw, layer.log_scaled] for layer in self.layers]}

    @property
    def mean_log_det(self) -> float:
        """L = (1/n) Σ_j log(F^j + σ²), in nats per parameter."""
        return sum(layer.log_raw for layer in self.layers) / sum(layer.parameters for layer in self.layers)


@dataclass(frozen=True)
class Distance:
    """A distance (≥ 0) and the mean signed difference behind it, source minus target; both in nats per parameter."""

    value: float
    signed: float


def log_det(source: LogDetSummary, target: LogDetSummary) -> Distance:
    """d[b,t] = |L[b,t] − L[t,t]| (Le et al., arXiv:2103.00241, Eq. 2; Eq. 3 where both networks have n parameters)."""
    signed = source.mean_log_det - target.mean_log_det
    return Distance(abs(signed), signed)


def log_det_layerwise(source: LogDetSummary, target: LogDetSummary) -> Distance:
    """The mean over layers l of |L_l[b,t] − L_l[t,t]|, each Fisher diagonal divided by its sum.

    Our default for ranking (decision record 0002): Eq. 2 of Le et al. applied per layer, so that layers of few
    parameters count as much as large ones and the overall scale of the gradients drops out.

    Raises:
        ValueError: the two networks do not have the same layers.
    """
    if [layer.parameters for layer in source.layers] != [layer.parameters for layer in target.layers]:
        raise ValueError("layers differ: the layerwise distance compares two networks of one architecture")
    differences = [
        (ours.log_scaled - theirs.log_scaled) / ours.parameters
        for ours, theirs in zip(source.layers, target.layers, strict=True)
    ]
    count = len(differences)
    return Distance(sum(abs(difference) for difference in differences) / count, sum(differences) / count)


def measure_distance(measure: str, source: LogDetSummary, target: LogDetSummary) -> Distance:
    """The distance by the name of its measure, one of `ldnas.recipe.MEASURES`."""
    return {"log_det": log_det, "log_det_layerwise": log_det_layerwise}[measure](source, target)


def mean_log_det(fisher: FisherDiagonal, *, damping: float) -> float:
    """L = (1/n) Σ_j log(F^j + σ²) with σ² = `damping`, in nats per parameter (Le et al., arXiv:2103.00241, Eq. 2)."""
    return LogDetSummary.of(fisher, damping=damping).mean_log_det


def log_det_distance(source: FisherDiagonal, target: FisherDiagonal, *, damping: float) -> float:
    """Distance from the source to the target task, in nats per parameter (Le et al., arXiv:2103.00241, Eq. 2 and 3).

    Both diagonals are taken on data of the target task: the source network's and the target network's.
    """
    return log_det(LogDetSummary.of(source, damping=damping), LogDetSummary.of(target, damping=damping)).value


def layerwise_log_det_distance(source: FisherDiagonal, target: FisherDiagonal, *, damping: float) -> float:
    """The layerwise distance of two raw Fisher diagonals, each divided by its sum first; in nats per parameter.

    Raises:
        ValueError: the two networks do not have the same layers.
    """
    return log_det_layerwise(LogDetSummary.of(source, damping=damping), LogDetSummary.of(target, damping=damping)).value
