"""Limits on size and work: the cells that they admit, the limits that are refused, and the least that a space has."""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldnas.errors import ImpossibleConstraintError, InvalidSearchError
from ldnas.space.complexity import multiply_adds, parameters
from ldnas.space.constraints import Complexity, Constraints, nearest_possible
from ldnas.space.genotype import PRIMITIVES, Genotype
from ldnas.space.skeleton import Skeleton, Stage, default_skeleton
from ldnas.space.space import FULL_SPACE, SearchSpace

SKELETON = default_skeleton(16, 10)
MIXED = Genotype(("sep_conv_3x3", "dil_conv_5x5", "max_pool_3x3", "identity", "avg_pool_3x3", "conv_7x1_1x7"))
genotypes = st.tuples(*[st.sampled_from(PRIMITIVES)] * 6).map(Genotype)


@st.composite
def skeletons(draw, narrowest=1):
    stages = draw(st.lists(st.builds(Stage, st.integers(narrowest, 6), st.integers(0, 2)), min_size=1, max_size=3))
    stages.append(Stage(draw(st.integers(narrowest, 6)), 1))
    return Skeleton(draw(st.integers(8, 20)), draw(st.integers(2, 5)), stages[0].channels, tuple(stages))


def test_a_limit_admits_what_just_reaches_it_and_nothing_above():
    size, work = parameters(MIXED, SKELETON), multiply_adds(MIXED, SKELETON)
    assert Constraints().admits(MIXED, SKELETON)
    assert Constraints(size, work).admits(MIXED, SKELETON)
    assert not Constraints(max_parameters=size - 1).admits(MIXED, SKELETON)
    assert not Constraints(max_macs=work - 1).admits(MIXED, SKELETON)
    assert not Constraints(size - 1, work).admits(MIXED, SKELETON)
    assert not Constraints(size, work - 1).admits(MIXED, SKELETON)


@given(st.sets(st.sampled_from(PRIMITIVES), min_size=1, max_size=3).map(tuple), skeletons())
@settings(max_examples=25, deadline=None)
def test_the_least_of_a_space_is_that_of_all_its_cells(primitives, skeleton):
    space = SearchSpace(primitives)
    expected = Complexity(
        min(parameters(genotype, skeleton) for genotype in space),
        min(multiply_adds(genotype, skeleton) for genotype in space),
    )
    assert nearest_possible(space, skeleton) == expected


@given(genotypes, skeletons())
@settings(max_examples=40, deadline=None)
def test_counts_are_a_constant_plus_one_term_per_edge(genotype, skeleton):
    for count in (parameters, multiply_adds):
        empty = count(Genotype(("identity",) * 6), skeleton)
        alone = [
            count(Genotype(tuple(primitive if place == edge else "identity" for place in range(6))), skeleton) - empty
            for edge, primitive in enumerate(genotype.primitives)
        ]
        assert count(genotype, skeleton) == empty + sum(alone)


@given(st.sets(st.sampled_from(PRIMITIVES), min_size=1).map(tuple), skeletons(narrowest=2))
@settings(max_examples=40, deadline=None)
def test_one_cell_has_the_least_of_both_where_every_stage_has_two_channels(primitives, skeleton):
    space = SearchSpace(primitives)
    least = nearest_possible(space, skeleton)
    both = Constraints(least.parameters, least.macs)
    assert any(both.admits(Genotype((primitive,) * 6), skeleton) for primitive in primitives)


@pytest.mark.parametrize("space", [FULL_SPACE, SearchSpace(("sep_conv_5x5", "conv_7x1_1x7"))])
@pytest.mark.parametrize(("name", "count"), [("max_parameters", "parameters"), ("max_macs", "macs")])
def test_an_impossible_limit_is_refused_with_its_name_and_the_nearest_possible_value(space, name, count):
    nearest = getattr(nearest_possible(space, SKELETON), count)
    Constraints(**{name: nearest}).require_possible(space, SKELETON)
    with pytest.raises(ImpossibleConstraintError) as refusal:
        Constraints(**{name: nearest - 1}).require_possible(space, SKELETON)
    assert refusal.value.field == f"constraints.{name}"
    assert refusal.value.nearest_possible == nearest
    assert f"the nearest possible value is {nearest}" in refusal.value.message


def test_no_limits_are_always_possible():
    Constraints().require_possible(FULL_SPACE, SKELETON)


@pytest.mark.parametrize("name", ["max_parameters", "max_macs"])
@pytest.mark.parametrize("limit", [0, -5, 1.5, True, "many"])
def test_a_limit_that_is_not_a_count_is_refused_by_name(name, limit):
    with pytest.raises(InvalidSearchError) as refusal:
        Constraints(**{name: limit})
    assert refusal.value.field == f"constraints.{name}"


def test_the_web_process_can_check_constraints_without_torch_or_numpy():
    code = "import sys, ldnas.space.constraints\nsys.exit(int('torch' in sys.modules or 'numpy' in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
