"""Measures distances on fewer images: where the seconds are few, or fewer images may decide."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ldnas.recipe import Recipe, step_recipes

OVERHEAD_IMAGES = 75
"""The measured cost of an observation without its Fisher pass (weights, probe, logarithms), in `small_cnn` images."""

FEWEST_IMAGES = 16
"""Distances on fewer images are too imprecise to distinguish sources."""

_FEWEST_PROBE_IMAGES = 128
"""A probe fitted to fewer images than this would decide by its own noise; probe images cost no gradients."""

_DIVISORS = (1, 4, 16)


@dataclass(frozen=True)
class Step:
    """One look at a column: the images that each network has been observed on, in groups for the jackknife.

    The recipe is the full one, but for the number of images: the probe has all of its images from the first step on.
    """

    recipe: Recipe
    groups: int


def plan_steps(recipe: Recipe, *, images: int) -> tuple[Step, ...]:
    """The steps before all M images: a sixteenth and a quarter of them; none for a target with fewer than M images.

    The groups of each step lie within those of the next one, and the last of which there are 16, so that every image is
    passed once.
    """
    if images < recipe.samples:
        return ()
    return tuple(Step(fewer, groups) for fewer, groups in zip(step_recipes(recipe), (4, 8), strict=False))


def reduced(recipe: Recipe, images: int, divisor: int) -> Recipe:
    """The recipe with its share of the images: 1/`divisor` of those that it takes of `images`."""
    probe_images = min(recipe.probe_images, images)
    return replace(
        recipe,
        samples=max(1, min(recipe.samples, images) // divisor),
        probe_images=min(probe_images, max(_FEWEST_PROBE_IMAGES, probe_images // divisor)),
    )


def recipe_within(
    recipe: Recipe,
    *,
    images: int,
    work_of: Callable[[Recipe], int],
    seconds: float,
    seconds_of: Callable[[Recipe], float],
) -> Recipe:
    """The recipe, a quarter or a sixteenth of it: the most images for which the seconds suffice, else the fewest.

    A share with fewer than `FEWEST_IMAGES` images is not taken.

    Args:
        recipe: the one with all images.
        images: the number of images that the target can be observed on.
        work_of: counts the images of all observations by a recipe, each with `OVERHEAD_IMAGES` more.
        seconds: for all observations together.
        seconds_of: measures one observation by a recipe; called once, with the fewest images.
    """
    shares = [reduced(recipe, images, divisor) for divisor in _DIVISORS[1:]]
    choices = [recipe, *(share for share in shares if share.samples >= FEWEST_IMAGES)]
    fewest = choices[-1]
    per_image = seconds_of(fewest) / (min(fewest.samples, images) + OVERHEAD_IMAGES)
    return next((choice for choice in choices if work_of(choice) * per_image <= seconds), fewest)
