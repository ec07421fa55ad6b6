"""Everything that a distance depends on beside networks and data, as one value (without torch)."""

from dataclasses import asdict, dataclass
from typing import Any

from ldnas.digests import json_digest


@dataclass(frozen=True)
class Recipe:
    """How a network's Fisher information on a target task is taken. Decision record 0002 has the reasons.

    Attributes:
        variant: `empirical`: squares of per-sample gradients of the true labels' log-likelihood.
        parameters: `backbone`: the head is not counted.
        head: `probe`: the head is replaced by a convex logistic probe fitted on target data.
        probe_images: at most so many target training images fit the probe.
        probe_l2: λ of the probe's penalty λ/2·‖W‖².
        samples: M; at most so many target training images, the same ones for every network.
        damping: σ² in log(F + σ²).
        split: which images of the target are used; never test images.
    """

    variant: str = "empirical"
    parameters: str = "backbone"
    head: str = "probe"
    probe_images: int = 2000
    probe_l2: float = 1e-2
    samples: int = 1024
    damping: float = 1e-8
    split: str = "train"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def digest(self) -> str:
        return json_digest(self.to_json())


DEFAULT_RECIPE = Recipe()

MEASURES = ("log_det_layerwise", "log_det")
"""The distances that one Fisher pass gives; the first is the default for ranking."""
