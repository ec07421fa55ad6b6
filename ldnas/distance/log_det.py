"""The log-determinant of Fisher diagonals, as the sums per layer that the distances need.

Symbols: F^j is the j-th of n diagonal entries of the Fisher information of a network on the data of the target task
t, σ² the damping, b a source (baseline) task. Natural logarithms throughout, so distances are in nats per parameter.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ldnas.fisher import FisherDiagonal


@dataclass(frozen=True)
class Layer:
    """Parameters that the layerwise measure takes together: a convolution with its norm, say."""

    name: str
    parameters: int


@dataclass(frozen=True)
class LogDetSums:
    """Σ log(F + σ²) and Σ log(F/ΣF + σ²) for each layer, in nats."""

    raw: tuple[float, ...]
    scaled: tuple[float, ...]


@dataclass(frozen=True)
class LogDetSummary:
    """Everything that the log-determinant measures need from one Fisher diagonal, at one damping.

    Attributes:
        layers: in the diagonal's own order.
        sums: over all images.
        without: where the images came in groups, without[k] are the sums of the diagonal over all images but those
            of group k: the replicates of a grouped jackknife. Empty with fewer than two groups.
    """

    layers: tuple[Layer, ...]
    sums: LogDetSums
    without: tuple[LogDetSums, ...] = ()

    @classmethod
    def of(cls, fisher: FisherDiagonal, *, damping: float, scaling: str = "sum") -> "LogDetSummary":
        """The sums of one diagonal; `scaling` as in `Recipe`."""
        return cls.of_groups([fisher], damping=damping, scaling=scaling)

    @classmethod
    def of_groups(cls, groups: Sequence[FisherDiagonal], *, damping: float, scaling: str = "sum") -> "LogDetSummary":
        """The sums of the diagonal over the images of all groups, and of those without each group; in float64.

        Layer by layer, so that only one layer of every group is in memory in float64 at a time.
        """
        leave_out = [None, *range(len(groups))] if len(groups) > 1 else [None]
        counts = [_all_but(left_out, [group.samples for group in groups]) for left_out in leave_out]
        group_masses = [_mass(group) for group in groups]
        masses = [_all_but(left_out, group_masses) for left_out in leave_out]
        # A diagonal of zeros cannot be scaled to sum 1, and stays as it is.
        scales = [mass / count or 1.0 for mass, count in zip(masses, counts, strict=True)]
        if scaling == "none":
            scales = [1.0 for _ in scales]
        layers, raw, scaled = [], [], []
        for name, names in zip(layer_names(groups[0]), groups[0].layers, strict=True):
            squares = [_flat(group, names) * group.samples for group in groups]
            total = torch.stack(squares).sum(dim=0)
            layers.append(Layer(name, len(total)))
            # Without clamping, a difference of equal sums could fall below zero by a rounding error.
            diagonals = [
                ((total if left_out is None else total - squares[left_out]) / count).clamp_(min=0)
                for left_out, count in zip(leave_out, counts, strict=True)
            ]
            raw.append([float(torch.log(diagonal + damping).sum()) for diagonal in diagonals])
            scaled.append(
                [float(torch.log(d / scale + damping).sum()) for d, scale in zip(diagonals, scales, strict=True)]
            )
            del squares, diagonals  # free them before the next layer's are allocated
        first, *without = (
            LogDetSums(of_raw, of_scaled)
            for of_raw, of_scaled in zip(zip(*raw, strict=True), zip(*scaled, strict=True), strict=True)
        )
        return cls(tuple(layers), first, tuple(without))

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "LogDetSummary":
        first, *without = [LogDetSums(tuple(raw), tuple(scaled)) for raw, scaled in value["sums"]]
        return cls(tuple(Layer(name, int(count)) for name, count in value["layers"]), first, tuple(without))

    def to_json(self) -> dict[str, Any]:
        return {
            "layers": [[layer.name, layer.parameters] for layer in self.layers],
            "sums": [[list(sums.raw), list(sums.scaled)] for sums in (self.sums, *self.without)],
        }

    @property
    def parameters(self) -> int:
        """n, the number of parameters counted."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def mean_log_det(self) -> float:
        """L = (1/n) Σ_j log(F^j + σ²), in nats per parameter."""
        return sum(self.sums.raw) / self.parameters

    @property
    def standard_error(self) -> float | None:
        """Of L over draws of the images, by the grouped jackknife, in nats per parameter; None without groups."""
        return jackknife_error([sum(sums.raw) / self.parameters for sums in self.without])


def jackknife_error(without: Sequence[float]) -> float | None:
    """Standard error of a statistic whose value without each of B groups of equal size is given.

    √((B−1)/B · Σ_k (θ₋ₖ − θ̄)²) (Efron & Stein 1981, Annals of Statistics 9:586, eq. 1.2); None for B < 2.
    """
    count = len(without)
    if count < 2:
        return None
    mean = math.fsum(without) / count
    return math.sqrt((count - 1) / count * math.fsum((value - mean) ** 2 for value in without))


def mean_log_det(fisher: FisherDiagonal, *, damping: float) -> float:
    """L = (1/n) Σ_j log(F^j + σ²) with σ² = `damping`, in nats per parameter (Le et al., arXiv:2103.00241, Eq. 2)."""
    return LogDetSummary.of(fisher, damping=damping).mean_log_det


def layer_names(fisher: FisherDiagonal) -> tuple[str, ...]:
    """The module that each layer begins with; its first tensor, where several layers begin in one module."""
    tensors = tuple(names[0] for names in fisher.layers)
    modules = tuple(tensor.rpartition(".")[0] for tensor in tensors)
    return modules if len(set(modules)) == len(modules) else tensors


def _flat(fisher: FisherDiagonal, names: Sequence[str]) -> Tensor:
    return torch.cat([fisher.blocks[name].double().flatten() for name in names])


def _mass(fisher: FisherDiagonal) -> float:
    """The sum of the diagonal over its images and entries."""
    return fisher.samples * math.fsum(float(block.double().sum()) for block in fisher.blocks.values())


def _all_but(left_out: int | None, values: Sequence[float]) -> float:
    return math.fsum(value for index, value in enumerate(values) if index != left_out)
