"""The pooled scores, compared with the textbook's matrices over all scores."""

import itertools
import math
import random
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from ldnas.memory.pooled import UNKNOWN_DEVIATION, Effect, pool
from ldnas.memory.scores import CellScore
from ldnas.space.genotype import Genotype
from ldnas.space.space import FULL_SPACE

CELLS = FULL_SPACE.sample_distinct(random.Random(0), 8)
GOOD, MEAN, BAD = CELLS[:3]


def simulated(seed: int, *, share: float = 0.7) -> list[CellScore]:
    """Four tasks, one with two kinds of training, each with some of the cells."""
    rng = random.Random(seed)
    effects = {cell: rng.gauss(0, 0.03) for cell in CELLS}
    groups = [("a", 3, 0.6), ("b", 3, 0.9), ("b", 9, 0.95), ("c", 3, 0.5), ("d", 2, 0.7)]
    return [
        CellScore(task, cell, mean + effects[cell] + rng.gauss(0, 0.01), epochs)
        for task, epochs, mean in groups
        for cell in CELLS
        if rng.random() < share
    ]


def design(scores: Sequence[CellScore], weights: Mapping[str, float]) -> tuple[np.ndarray, ...]:
    """X [N, G], Z [N, C], y [N], and the weights [N]."""
    groups, cells = sorted({score.group for score in scores}), list(dict.fromkeys(s.genotype for s in scores))
    x = np.array([[float(score.group == group) for group in groups] for score in scores])
    z = np.array([[float(score.genotype == cell) for cell in cells] for score in scores])
    return x, z, np.array([s.accuracy for s in scores]), np.array([weights.get(s.task, 1.0) for s in scores])


def residual(matrix: np.ndarray, y: np.ndarray) -> float:
    return float(((y - matrix @ np.linalg.lstsq(matrix, y, rcond=None)[0]) ** 2).sum())


@pytest.mark.parametrize(("seed", "weights"), [(0, {}), (1, {}), (2, {"a": 1.0, "b": 0.25, "c": 0.5, "d": 0.5})])
def test_effects_and_variances_are_those_of_the_dense_model(seed: int, weights: dict[str, float]) -> None:
    scores = simulated(seed)
    x, z, y, w = design(scores, weights)
    root = np.sqrt(w)[:, None]
    reduced, full = residual(root * x, root[:, 0] * y), residual(root * np.hstack([x, z]), root[:, 0] * y)
    noise = full / (len(y) - np.linalg.matrix_rank(np.hstack([x, z])))
    annihilator = np.eye(len(y)) - root * x @ np.linalg.pinv(root * x)
    trace = np.trace((root * z).T @ annihilator @ (root * z))
    cell = (reduced - (len(y) - x.shape[1]) * noise) / trace
    covariance = cell * z @ z.T + np.diag(noise / w)
    inverse = np.linalg.inv(covariance)
    projection = inverse - inverse @ x @ np.linalg.inv(x.T @ inverse @ x) @ x.T @ inverse
    means = cell * z.T @ projection @ y
    variances = np.diag(cell * np.eye(z.shape[1]) - cell * z.T @ projection @ z * cell)

    pooled = pool(scores, weights)
    assert (pooled.cell_deviation, pooled.noise_deviation) == pytest.approx((math.sqrt(cell), math.sqrt(noise)))
    assert pooled.tasks == 4
    cells = list(dict.fromkeys(score.genotype for score in scores))
    for genotype, mean, variance in zip(cells, means, variances, strict=True):
        assert pooled.effects[genotype].mean == pytest.approx(mean, abs=1e-9)
        assert pooled.effects[genotype].standard_deviation == pytest.approx(math.sqrt(variance))
    ranked = [effect.mean for effect in pooled.effects.values()]
    assert ranked == sorted(ranked, reverse=True)


def test_longer_training_does_not_make_a_cell_look_better() -> None:
    short = [CellScore("a", cell, accuracy, 3) for cell, accuracy in ((GOOD, 0.6), (MEAN, 0.5))]
    long = [CellScore("a", cell, accuracy, 30) for cell, accuracy in ((MEAN, 0.9), (BAD, 0.8))]
    assert [*pool([*short, *long]).effects] == [GOOD, MEAN, BAD]


def test_a_task_of_small_weight_moves_the_effects_less() -> None:
    scores = [CellScore("near", GOOD, 0.8, 3), CellScore("near", BAD, 0.7, 3)]
    scores += [CellScore("far", GOOD, 0.7, 3), CellScore("far", BAD, 0.8, 3)]
    assert pool(scores).effects[GOOD].mean == pytest.approx(0.0)
    assert [*pool(scores, {"near": 1.0, "far": 0.1}).effects] == [GOOD, BAD]
    unnamed = [CellScore("unnamed", GOOD, 0.5, 3), CellScore("unnamed", BAD, 0.9, 3)]
    assert [*pool([*scores, *unnamed], {"near": 1.0, "far": 0.01}).effects] == [GOOD, BAD]


@pytest.mark.parametrize(
    "scores",
    [
        [],
        [CellScore("a", GOOD, 0.7, 3)],
        [CellScore("a", GOOD, 0.7, 3), CellScore("b", BAD, 0.2, 3)],
    ],
    ids=["none", "one", "one in each task"],
)
def test_scores_that_do_not_compare_say_nothing(scores: list[CellScore]) -> None:
    pooled = pool(scores)
    assert all(
        effect == Effect(0.0, pytest.approx(UNKNOWN_DEVIATION))  # type: ignore[arg-type]
        for effect in pooled.effects.values()
    )
    assert len(pooled.effects) == len(scores)


def test_cells_of_one_task_keep_their_order_and_share_their_variance_with_the_noise() -> None:
    pooled = pool([CellScore("a", cell, score, 3) for cell, score in ((BAD, 0.1), (GOOD, 0.3), (MEAN, 0.2))])
    assert [*pooled.effects] == [GOOD, MEAN, BAD]
    assert pooled.cell_deviation == pytest.approx(pooled.noise_deviation) == pytest.approx(0.1 / math.sqrt(2))
    assert pooled.effects[GOOD].mean == pytest.approx(0.05)


def test_equal_scores_give_equal_effects() -> None:
    pooled = pool([CellScore(task, cell, 0.7, 3) for task in "abc" for cell in CELLS])
    assert {effect.mean for effect in pooled.effects.values()} == {0.0}
    assert [*pooled.effects] == [*CELLS], "in the order of the scores"


def test_a_known_error_of_the_scores_is_the_least_noise() -> None:
    pairs = itertools.product("abc", ((GOOD, 0.72), (MEAN, 0.71), (BAD, 0.70)))
    scores = [CellScore(task, cell, accuracy, 3, standard_error=0.05) for task, (cell, accuracy) in pairs]
    assert pool(scores).noise_deviation == pytest.approx(0.05)


def test_the_advantage_on_a_new_task_includes_its_noise_and_is_nil_without_a_score() -> None:
    pooled = pool(simulated(3))
    best, effect = next(iter(pooled.effects.items()))
    assert pooled.advantage(best) == Effect(effect.mean, math.hypot(effect.standard_deviation, pooled.noise_deviation))
    unseen = Genotype(("identity",) * 6)
    assert pooled.advantage(unseen) == Effect(0.0, math.hypot(pooled.cell_deviation, pooled.noise_deviation))
