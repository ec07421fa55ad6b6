"""The skeleton for a search under constraints."""

import pytest

from ldnas.errors import ImpossibleConstraintError
from ldnas.space.complexity import multiply_adds, parameters
from ldnas.space.constraints import Constraints
from ldnas.space.fitting import fitted_skeleton
from ldnas.space.genotype import Genotype
from ldnas.space.skeleton import default_skeleton
from ldnas.space.space import FULL_SPACE, SearchSpace

LEAST = Genotype(("identity",) * 6)


def widths(skeleton):
    return [stage.channels for stage in skeleton.stages]


def test_without_constraints_it_is_the_default_skeleton():
    assert fitted_skeleton(32, 10, Constraints(), FULL_SPACE) == default_skeleton(32, 10)


def test_it_is_halved_until_some_cell_keeps_the_constraint():
    full = parameters(LEAST, default_skeleton(32, 10))
    assert widths(fitted_skeleton(32, 10, Constraints(max_parameters=full), FULL_SPACE)) == [16, 32, 64]
    narrower = fitted_skeleton(32, 10, Constraints(max_parameters=full - 1), FULL_SPACE)
    assert widths(narrower) == [8, 16, 32]
    assert parameters(LEAST, narrower) <= full - 1


def test_a_space_of_large_operations_needs_a_narrower_one_than_the_full_space():
    large = SearchSpace(("conv_7x1_1x7",))
    limit = Constraints(max_macs=multiply_adds(Genotype(("conv_7x1_1x7",) * 6), default_skeleton(32, 10)) // 2)
    assert widths(fitted_skeleton(32, 10, limit, FULL_SPACE)) == [16, 32, 64]
    assert widths(fitted_skeleton(32, 10, limit, large)) == [8, 16, 32]


def test_what_the_narrowest_cannot_keep_is_refused_with_its_least_value():
    with pytest.raises(ImpossibleConstraintError, match="nearest possible value is 1774") as refused:
        fitted_skeleton(32, 10, Constraints(max_parameters=100), FULL_SPACE)
    # By hand, 4, 8 and 16 channels: stem 27·4 + 8, reductions 36·8 + 16 and 72·16 + 32, head 16·10 + 10.
    assert 27 * 4 + 8 + 36 * 8 + 16 + 72 * 16 + 32 + 16 * 10 + 10 == 1774
    assert refused.value.field == "constraints.max_parameters"
