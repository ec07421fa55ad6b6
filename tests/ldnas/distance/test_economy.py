"""The number of images that distances are measured on where the seconds are few."""

import pytest

from ldnas.distance.economy import OVERHEAD_IMAGES, recipe_within, reduced
from ldnas.recipe import Recipe

RECIPE = Recipe()


def work_of(recipe: Recipe) -> int:
    """Ten observations."""
    return 10 * (min(recipe.samples, 5000) + OVERHEAD_IMAGES)


def seconds_of(recipe: Recipe) -> float:
    """A machine that takes a millisecond for each image and for each image's worth of overhead."""
    return (recipe.samples + OVERHEAD_IMAGES) / 1000


@pytest.mark.parametrize(
    ("seconds", "samples"),
    # Ten observations take 10.99 s with 1,024 images, 3.31 s with 256 and 1.39 s with 64.
    [(11.0, 1024), (10.9, 256), (3.32, 256), (3.3, 64), (1.4, 64), (0.1, 64)],
)
def test_the_most_images_that_the_seconds_suffice_for(seconds: float, samples: int) -> None:
    found = recipe_within(RECIPE, images=5000, work_of=work_of, seconds=seconds, seconds_of=seconds_of)
    assert found.samples == samples


def test_with_enough_seconds_the_recipe_does_not_change() -> None:
    found = recipe_within(RECIPE, images=300, work_of=work_of, seconds=100.0, seconds_of=seconds_of)
    assert found == RECIPE


def test_only_the_fewest_images_are_timed() -> None:
    timed: list[int] = []

    def note(recipe: Recipe) -> float:
        timed.append(recipe.samples)
        return seconds_of(recipe)

    recipe_within(RECIPE, images=400, work_of=work_of, seconds=100.0, seconds_of=note)
    assert timed == [25]


@pytest.mark.parametrize(("images", "samples"), [(255, 63), (63, 1024)])
def test_a_share_of_fewer_than_sixteen_images_is_not_taken(images: int, samples: int) -> None:
    found = recipe_within(RECIPE, images=images, work_of=work_of, seconds=0.0, seconds_of=seconds_of)
    assert found.samples == samples


def test_the_probe_keeps_enough_images() -> None:
    assert [reduced(RECIPE, 5000, divisor).probe_images for divisor in (4, 16)] == [500, 128]
    assert reduced(RECIPE, 100, 16).probe_images == 100
