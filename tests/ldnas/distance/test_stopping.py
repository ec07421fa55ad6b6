"""Stopping a column: its steps, and the probability that the remaining images change the verdict."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from ldnas.distance.economy import plan_steps
from ldnas.distance.measures import Distance, measure
from ldnas.distance.ranking import Ranking, Spread, Verdict, rank
from ldnas.distance.stopping import FUTURES, probability_unchanged
from ldnas.distance.uncertainty import estimate_column
from ldnas.recipe import Recipe, measured_recipes

LAYERWISE = measure("log_det_layerwise")
SEEDS = (-0.01, 0.0, 0.01)
GROUPS = 8


def swayed(mean: float, error: float, *, seeds: tuple[float, ...] = SEEDS) -> list[Distance]:
    """Three repetitions, with replicates of the images whose jackknife error is this share of the mean.

    Half the groups pull the distance up, half down, by d: then error² = (B−1)·d².
    """
    sway = error / math.sqrt(GROUPS - 1)
    signs = [1.0, -1.0] * (GROUPS // 2)
    values = [mean * math.exp(seed) for seed in seeds]
    return [Distance(value, value, (), tuple(value * (1 + sign * sway) for sign in signs)) for value in values]


UNTRAINED = swayed(50.0, 0.0)


def unchanged(column: dict[str, list[Distance]], *, share: float, by: str = "log_det_layerwise") -> float | None:
    ranking = conclude(column, by=by)
    return probability_unchanged(column, measure(by), untrained=UNTRAINED, share=share, ranking=ranking)


def conclude(column: dict[str, list[Distance]], *, by: str = "log_det_layerwise") -> Ranking:
    spreads = {key: Spread.of(distances) for key, distances in column.items()}
    return rank(spreads, estimate_column(column, measure(by)), untrained=Spread.of(UNTRAINED))


def test_a_sixteenth_and_a_quarter_of_the_images_come_before_all() -> None:
    steps = plan_steps(Recipe(), images=1024)
    assert [(step.recipe.samples, step.groups) for step in steps] == [(64, 4), (256, 8)]
    assert {step.recipe.probe_images for step in steps} == {2000}
    assert [recipe.samples for recipe in measured_recipes("small_cnn")] == [1024, 64, 256]
    for (fewer, groups), (more, parts) in pairwise([(64, 4), (256, 8), (1024, 16)]):
        assert (more // parts) % (fewer // groups) == 0, "each group of a step lies within one of the next"


@pytest.mark.parametrize(("recipe", "images"), [(Recipe(), 1023), (Recipe(samples=512), 5000)])
def test_a_target_with_few_images_has_no_steps(recipe, images) -> None:
    assert plan_steps(recipe, images=images) == ()


def test_a_source_that_is_far_ahead_is_decided_by_a_few_images() -> None:
    assert unchanged({"near": swayed(0.2, 0.02), "far": swayed(0.9, 0.02)}, share=1 / 16) == 1.0


def test_the_probability_is_that_of_the_mean_crossing_the_limit() -> None:
    """One source below the untrained distance, without training noise: only the images can move its interval over it.

    Its upper end is m·exp(t·e·√s) now and z·e·√(1−s) more later, with z by Student's t, in logarithms.
    """
    error, share = 0.1, 0.25
    width = stats.t.ppf(0.95, GROUPS - 1) * error * math.sqrt(share)
    limit = stats.t.ppf(0.8, GROUPS - 1) * error * math.sqrt(1 - share)
    mean = Spread.of(UNTRAINED).mean * math.exp(-width - limit)
    column = {"only": swayed(mean, error, seeds=(0.0, 0.0, 0.0))}
    ranking = Ranking(Verdict.CLOSEST, ("only",), ("only",))
    found = probability_unchanged(column, LAYERWISE, untrained=UNTRAINED, share=share, ranking=ranking)
    assert found == pytest.approx(0.8, abs=3 * math.sqrt(0.16 / FUTURES))


def test_training_noise_does_not_keep_a_column_open() -> None:
    """Two sources that seeds cannot distinguish stay tied, whatever more images say."""
    column = {"a": swayed(0.2, 1e-4, seeds=(-0.5, 0.1, 0.4)), "b": swayed(0.2, 1e-4, seeds=(0.4, -0.5, 0.1))}
    assert unchanged(column, share=1 / 16) == 1.0


def test_images_that_sway_sources_apart_keep_it_open_until_they_are_all_seen() -> None:
    near, rival = swayed(0.2, 0.3), swayed(0.21, 0.0)
    assert unchanged({"near": near, "rival": rival}, share=1 / 16) < 0.95
    assert unchanged({"near": near, "rival": rival}, share=1.0) == 1.0


def test_without_a_forecast_nothing_is_decided() -> None:
    column = {"near": swayed(0.2, 0.02), "far": swayed(0.9, 0.02)}
    assert unchanged(column, share=1 / 16, by="log_det") is None
    assert unchanged({key: distances[:1] for key, distances in column.items()}, share=1 / 16) is None


def test_the_forecast_is_right_as_often_as_it_says() -> None:
    """Columns with known image noise, concluded on a sixteenth of the images, and again on all of them."""
    generator = np.random.default_rng(0)
    said, right = [], []
    for _ in range(150):
        means = generator.uniform(0.3, 0.6, 3)
        seeds = generator.normal(0, 0.05, (3, 3))
        images = generator.normal(0, 0.6, (3, 256))  # the effect of each image on each source
        few, all_ = ({str(k): _seen(means[k], seeds[k], images[k, :m]) for k in range(3)} for m in (16, 256))
        rankings = [
            rank(
                {key: Spread.of(one) for key, one in column.items()}, estimate_column(column, LAYERWISE), untrained=None
            )
            for column in (few, all_)
        ]
        said.append(
            probability_unchanged(few, LAYERWISE, untrained=UNTRAINED, share=1 / 16, ranking=rankings[0]) or 0.0
        )
        right.append((rankings[0].verdict, set(rankings[0].closest)) == (rankings[1].verdict, set(rankings[1].closest)))
    assert np.mean(said) == pytest.approx(np.mean(right), abs=0.1)
    sure = np.array(said) >= 0.9
    assert sure.sum() >= 15
    assert np.array(right)[sure].mean() >= 0.85


def _seen(mean: float, seeds: np.ndarray, images: np.ndarray) -> list[Distance]:
    parts = images.reshape(16, -1).mean(axis=1)
    effects = [parts.mean(), *((parts.sum() - parts) / 15)]
    rows = [[float(mean * math.exp(seed) * (1 + effect)) for effect in effects] for seed in seeds]
    return [Distance(first, first, (), tuple(rest)) for first, *rest in rows]
