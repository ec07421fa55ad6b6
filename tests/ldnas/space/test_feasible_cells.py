"""Feasible cells: those that keep the constraints, counted, listed and drawn, against a check of every cell."""

import random
from collections import Counter

import pytest

from ldnas.errors import ImpossibleConstraintError
from ldnas.space.complexity import multiply_adds, parameters
from ldnas.space.constraints import Constraints
from ldnas.space.feasible_cells import FeasibleCells
from ldnas.space.genotype import Genotype
from ldnas.space.latency_table import LatencyTable
from ldnas.space.skeleton import Skeleton, Stage
from ldnas.space.space import FULL_SPACE, PAPER_SPACE, SearchSpace

SKELETON = Skeleton(8, 2, 4, (Stage(4, 1), Stage(8, 2)))
SPACE = SearchSpace(("identity", "sep_conv_3x3", "avg_pool_3x3"))
TABLE = LatencyTable(
    "a made device", SKELETON, 1.0, {"identity": (0.0, 0.0), "sep_conv_3x3": (0.3, 0.1), "avg_pool_3x3": (0.1, 0.2)}
)
LESS_WORK = multiply_adds(Genotype(("identity",) * 3 + ("sep_conv_3x3",) * 3), SKELETON)
LIMITS = [
    Constraints(max_parameters=1100),
    Constraints(max_macs=LESS_WORK),
    Constraints(max_latency_ms=2.6),
    Constraints(max_parameters=1300, max_latency_ms=2.6),
]


def kept_by_hand(limits, space=SPACE):
    return {
        genotype
        for genotype in space
        if parameters(genotype, SKELETON) <= (limits.max_parameters or 10**9)
        and multiply_adds(genotype, SKELETON) <= (limits.max_macs or 10**9)
        and (limits.max_latency_ms is None or TABLE.predict_ms(genotype) <= limits.max_latency_ms)
    }


@pytest.mark.parametrize("limits", LIMITS, ids=str)
def test_they_are_the_cells_that_keep_every_limit_each_once(limits):
    cells = FeasibleCells(SPACE, SKELETON, limits, TABLE)
    expected = kept_by_hand(limits)
    assert 1 < len(expected) < SPACE.size
    assert cells.size == len(expected)
    listed = list(cells)
    assert len(listed) == len(set(listed))
    assert set(listed) == expected == {genotype for genotype in SPACE if cells.contains(genotype)}


def test_without_limits_they_are_the_space_and_draw_as_it_does():
    cells = FeasibleCells(SPACE, SKELETON)
    assert cells.size == SPACE.size
    assert list(cells) == list(SPACE)
    assert cells.sample(random.Random(3)) == SPACE.sample(random.Random(3))
    assert cells.sample_distinct(random.Random(3), 9) == SPACE.sample_distinct(random.Random(3), 9)


def test_a_draw_is_uniform():
    limits = Constraints(max_parameters=810)
    cells = FeasibleCells(SearchSpace(("identity", "sep_conv_3x3")), SKELETON, limits)
    assert cells.size == len(kept_by_hand(limits, cells.space)) == 7
    rng = random.Random(0)
    drawn = Counter(cells.sample(rng) for _ in range(7000))
    assert set(drawn) == set(cells)
    assert all(850 < times < 1150 for times in drawn.values())  # 1000, σ = 29


@pytest.mark.parametrize("space", [SPACE, FULL_SPACE])
def test_distinct_draws_leave_out_excluded_cells_and_end_with_the_last_cell(space):
    cells = FeasibleCells(space, SKELETON, Constraints(max_parameters=1300))
    some = cells.sample_distinct(random.Random(0), 20)
    more = cells.sample_distinct(random.Random(1), 30, exclude=some)
    assert len({*some, *more}) == 50
    assert all(cells.contains(genotype) for genotype in (*some, *more))
    few = FeasibleCells(space, SKELETON, Constraints(max_parameters=650))
    assert set(few.sample_distinct(random.Random(0), few.size + 5)) == set(few)
    assert few.sample_distinct(random.Random(0), 5, exclude=set(few)) == ()


def test_limits_that_can_be_kept_one_by_one_but_not_together_are_refused_with_what_the_first_leaves():
    space = SearchSpace(("sep_conv_3x3", "avg_pool_3x3"))
    limits = Constraints(max_parameters=900, max_latency_ms=3.5)
    table = LatencyTable("a made device", SKELETON, 1.0, {"sep_conv_3x3": (0.1, 0.0), "avg_pool_3x3": (0.5, 0.00025)})
    limits.require_possible(space, SKELETON)  # without a table nothing is said of the latency
    with pytest.raises(ImpossibleConstraintError) as refusal:
        limits.require_possible(space, SKELETON, table)
    assert refusal.value.field == "constraints.max_latency_ms"
    # By hand: one convolution fits into 900 parameters, so five edges pool, at 0.5 + 2 · 0.00025 ms each.
    assert refusal.value.nearest_possible == 3.603  # 3.6025, rounded up so that it is possible
    Constraints(max_parameters=900, max_latency_ms=3.603).require_possible(space, SKELETON, table)


def test_the_paper_space_under_a_limit_is_counted_without_listing_it():
    cells = FeasibleCells(PAPER_SPACE, SKELETON, Constraints(max_macs=LESS_WORK))
    assert cells.size == len(kept_by_hand(cells.constraints, PAPER_SPACE))
