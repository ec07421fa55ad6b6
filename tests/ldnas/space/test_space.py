"""Search spaces: their size, their members and draws from them."""

import random
from collections import Counter

import pytest

from ldnas.errors import InvalidGenotypeError, InvalidSearchError
from ldnas.space.genotype import PRIMITIVES, Genotype
from ldnas.space.space import FULL_SPACE, PAPER_SPACE, SearchSpace, space_of

MIXED = Genotype(("identity", "identity", "sep_conv_3x3", "max_pool_3x3", "identity", "sep_conv_3x3"))


def test_the_full_space_has_eight_to_the_sixth_cells():
    assert FULL_SPACE.size == 262_144
    assert FULL_SPACE.fraction_of_full == 1.0


def test_the_papers_space_has_four_primitives():
    assert PAPER_SPACE.primitives == ("identity", "sep_conv_3x3", "conv_7x1_1x7", "max_pool_3x3")
    assert PAPER_SPACE.size == 4096


def test_the_space_of_one_genotype_keeps_its_primitives_only():
    space = space_of([MIXED])
    assert space.primitives == ("identity", "sep_conv_3x3", "max_pool_3x3")
    assert space.size == 3**6 == len(set(space))
    assert space.fraction_of_full == pytest.approx((3 / 8) ** 6)
    assert space.contains(MIXED)


def test_the_space_of_two_genotypes_is_the_union_of_their_primitives():
    space = space_of([MIXED, Genotype(("dil_conv_5x5",) * 6)])
    assert set(space.primitives) == {"identity", "sep_conv_3x3", "max_pool_3x3", "dil_conv_5x5"}


def test_spaces_of_the_same_primitives_are_equal_in_whatever_order():
    assert SearchSpace(("max_pool_3x3", "identity", "identity")) == SearchSpace(("identity", "max_pool_3x3"))


def test_a_genotype_outside_is_refused_by_its_edge():
    with pytest.raises(InvalidGenotypeError) as refusal:
        SearchSpace(("identity", "sep_conv_3x3")).require(MIXED, field="genotypes[2]")
    assert refusal.value.field == "genotypes[2].edges[3]"
    assert "edge (0, 3) uses max_pool_3x3" in refusal.value.message


@pytest.mark.parametrize("primitives", [(), ("conv_9x9",)])
def test_an_empty_or_unknown_space_cannot_be_made(primitives):
    with pytest.raises(InvalidSearchError):
        SearchSpace(primitives)


def test_the_space_of_no_genotypes_cannot_be_made():
    with pytest.raises(InvalidSearchError):
        space_of([])


def test_every_primitive_is_drawn_about_equally_often_on_every_edge():
    rng = random.Random(0)
    drawn = [FULL_SPACE.sample(rng).primitives for _ in range(4000)]
    for edge in range(6):
        counts = Counter(primitives[edge] for primitives in drawn)
        # 500 expected, standard deviation 21: five of them are a miracle.
        assert all(395 < counts[primitive] < 605 for primitive in PRIMITIVES)


@pytest.mark.parametrize("space", [FULL_SPACE, SearchSpace(("identity", "sep_conv_3x3"))])
def test_distinct_draws_are_distinct_repeat_with_their_seed_and_avoid_the_excluded(space):
    first = space.sample_distinct(random.Random(1), 20)
    assert len(set(first)) == 20
    assert space.sample_distinct(random.Random(1), 20) == first
    assert space.sample_distinct(random.Random(2), 20) != first
    others = space.sample_distinct(random.Random(1), 20, exclude=first)
    assert len(others) == 20
    assert not set(others) & set(first)


def test_a_small_space_gives_what_it_has_left():
    space = SearchSpace(("identity", "sep_conv_3x3"))
    assert set(space.sample_distinct(random.Random(0), 100)) == set(space)
    all_but_one = list(space)[1:]
    assert space.sample_distinct(random.Random(0), 3, exclude=all_but_one) == (next(iter(space)),)
    assert SearchSpace(("identity",)).sample_distinct(random.Random(0), 3) == (Genotype(("identity",) * 6),)


def test_a_large_space_that_is_nearly_used_up_still_gives_its_last_cells():
    space = SearchSpace(PRIMITIVES[:5])
    cells = list(space)
    assert set(space.sample_distinct(random.Random(0), 5, exclude=cells[2:])) == set(cells[:2])


def test_a_space_survives_json():
    space = space_of([MIXED])
    assert SearchSpace.from_json(space.to_json()) == space
