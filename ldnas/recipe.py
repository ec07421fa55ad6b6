"""Everything that a distance depends on beside networks and data, as one value (without torch)."""

from dataclasses import asdict, dataclass
from typing import Any

from ldnas.digests import json_digest

_KNOWN = {"variant": "empirical", "parameters": "backbone", "head": "probe", "split": "train", "scaling": "sum"}


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
        scaling: `sum`: the layerwise measure divides a diagonal by its sum; `log_det` takes it as it is.

    Raises:
        ValueError: a value that no computation knows.
    """

    variant: str = "empirical"
    parameters: str = "backbone"
    head: str = "probe"
    probe_images: int = 2000
    probe_l2: float = 1e-2
    samples: int = 1024
    damping: float = 1e-8
    split: str = "train"
    scaling: str = "sum"

    def __post_init__(self) -> None:
        for name, known in _KNOWN.items():
            if getattr(self, name) != known:
                raise ValueError(f"{name} is {getattr(self, name)!r}; a recipe knows {known!r} so far")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def digest(self) -> str:
        return json_digest(self.to_json())


DEFAULT_RECIPE = Recipe()

MEASURES = ("log_det_layerwise", "log_det")
"""The distances that one Fisher pass gives; the first is the default for ranking."""
