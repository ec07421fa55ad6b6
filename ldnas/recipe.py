"""Everything that a distance depends on apart from networks and data, as one value (without torch)."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from ldnas.digests import json_digest

_KNOWN: dict[str, tuple[str, ...]] = {
    "variant": ("empirical", "monte_carlo", "exact", "batch_mean"),
    "parameters": ("backbone", "all"),
    "head": ("probe", "own", "zero_padded"),
    "split": ("train", "test"),
    "scaling": ("sum", "none"),
    "grouping": ("layer", "tensor"),
    "first_axis": ("keep", "mean"),
}


@dataclass(frozen=True)
class Recipe:
    """How a network's Fisher information on a target task is taken. Decision records 0002 and 0005 have the reasons.

    Attributes:
        network: the architecture of both networks; distances of two architectures do not compare.
        variant: which squares. `empirical`: of per-sample gradients at the true labels; `monte_carlo`: at labels drawn
            from the network's own prediction; `exact`: in expectation over it; `batch_mean`: of the mean gradient of
            each batch, as the authors' program has it (not a Fisher information).
        parameters: which are counted, the `backbone` or `all` of them.
        head: `probe`: replaced by a convex logistic probe fitted on target data; `own`: as trained, target label i
            being output i; `zero_padded`: the same, missing outputs filled with zero logits.
        probe_images: the most target images that fit the probe and give LogME.
        probe_l2: λ of the probe's penalty λ/2·‖W‖².
        samples: M, the most target images, the same ones for every network.
        batch_size: images in one pass; it affects `batch_mean` alone, which takes images in the order of the data set.
        damping: σ² in log(F + σ²).
        split: which images of the target are used. The product uses `train`; `test` marks its results `test_seen`.
        scaling: `sum`: the layerwise measure divides a diagonal by its sum; `log_det` takes it as it is.
        grouping: the parts that the layerwise measure averages over: a `layer` (a convolution with its norm) or every
            `tensor`.
        first_axis: `mean`: every entry is the mean of the squares over its tensor's first axis, as in the authors'
            program; the number of entries stays.

    Raises:
        ValueError: a value is unknown or out of range.
    """

    network: str = "small_cnn"
    variant: str = "empirical"
    parameters: str = "backbone"
    head: str = "probe"
    probe_images: int = 2000
    probe_l2: float = 1e-2
    samples: int = 1024
    batch_size: int = 64
    damping: float = 1e-8
    split: str = "train"
    scaling: str = "sum"
    grouping: str = "layer"
    first_axis: str = "keep"

    def __post_init__(self) -> None:
        for name, known in _KNOWN.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}; a recipe knows {', '.join(known)}")
        for name in ("probe_images", "samples", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it counts images, from 1")
        if self.damping <= 0:
            raise ValueError(f"damping is {self.damping}; σ² must be above 0, or a zero diagonal has no logarithm")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def digest(self) -> str:
        return json_digest(self.to_json())

    @property
    def test_seen(self) -> bool:
        """Whether test images go into the distance, so that a test score next to it is not a valid measurement."""
        return self.split == "test"


MODES = ("default", "paper", "released_code")
"""`default`: the best settings found; `paper`: exactly the text; `released_code`: the authors' program."""


def recipe_of(mode: str, network: str) -> Recipe:
    """The recipe of a mode for one architecture. Only benchmarks use another one than `default`.

    Raises:
        ValueError: no such mode.
    """
    if mode == "default":
        return Recipe(network=network)
    if mode == "paper":
        return Recipe(network=network, parameters="all", head="own", scaling="none")
    if mode == "released_code":
        return Recipe(
            network=network,
            variant="batch_mean",
            parameters="all",
            head="zero_padded",
            batch_size=100,
            damping=1e-10,
            split="test",
            grouping="tensor",
            first_axis="mean",
        )
    raise ValueError(f"mode is {mode!r}; known are {', '.join(MODES)}")


def default_recipe(network: str) -> Recipe:
    """The recipe that the service measures by."""
    return recipe_of("default", network)


_FEWEST_OF_A_STEP = 64
"""The fewest images of a first step; decision record 0015 measured steps of 64 and 256 of 1,024 images."""


def step_recipes(recipe: Recipe) -> tuple[Recipe, ...]:
    """The recipe with a sixteenth and a quarter of its images: none if these are too few, or do not divide.

    The probe has all of its images, so these distances differ from those of the whole recipe only in the Fisher pass.
    """
    if recipe.samples % 64 or recipe.samples // 16 < _FEWEST_OF_A_STEP:
        return ()
    return tuple(replace(recipe, samples=recipe.samples // divisor) for divisor in (16, 4))


def measured_recipes(network: str) -> tuple[Recipe, ...]:
    """The default recipe of an architecture, and those of its steps: distances by any of them count as measured."""
    return (default_recipe(network), *step_recipes(default_recipe(network)))


MEASURES = ("log_det_layerwise", "log_det", "logme", "frechet", "task2vec", "task2vec_asymmetric")
"""Every measure by its name; the first is the default for ranking."""

STANDING_MEASURES = MEASURES[:3]
"""The measures reported with every distance; the others need whole diagonals and are measured on request."""
