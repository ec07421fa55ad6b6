"""Predicts a network's latency from a table. Needs no torch; `ldnas.space.latency` measures the table."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from ldnas.space.genotype import Genotype
from ldnas.space.skeleton import Skeleton


@dataclass(frozen=True)
class LatencyTable:
    """Milliseconds of a skeleton's parts on one device, for one image at a time.

        latency(genotype) ≈ base_ms + Σ_edges Σ_stages cells · stage_ms[primitive][stage]

    Attributes:
        device: the name of the device that was measured.
        skeleton: the network that the cells are placed in.
        base_ms: the network whose edges all carry the identity: stem, reductions, sums, head.
        stage_ms: for every primitive the milliseconds of one operation in each stage; 0 for the identity, which the
            base includes already, and in stages without cells.
    """

    device: str
    skeleton: Skeleton
    base_ms: float
    stage_ms: Mapping[str, tuple[float, ...]]

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The table written by `to_json`."""
        stage_ms = {primitive: tuple(stages) for primitive, stages in value["stage_ms"].items()}
        return cls(value["device"], Skeleton.from_json(value["skeleton"]), value["base_ms"], stage_ms)

    def to_json(self) -> dict[str, Any]:
        """The table as a JSON value."""
        return {
            "device": self.device,
            "skeleton": self.skeleton.to_json(),
            "base_ms": self.base_ms,
            "stage_ms": {primitive: list(stages) for primitive, stages in self.stage_ms.items()},
        }

    def predict_ms(self, genotype: Genotype) -> float:
        """Milliseconds for one image; the same for every order of the same primitives."""
        # fsum rounds once, at the end, so that the order of the edges does not matter.
        return math.fsum((self.base_ms, *(self._edge_ms(primitive) for primitive in genotype.primitives)))

    def _edge_ms(self, primitive: str) -> float:
        stages = zip(self.skeleton.stages, self.stage_ms[primitive], strict=True)
        return math.fsum(stage.cells * milliseconds for stage, milliseconds in stages)
