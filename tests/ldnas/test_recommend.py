"""From a ranking to a space: two baselines with other genotypes give other spaces."""

from ldnas.distance.log_det import Distance
from ldnas.distance.ranking import Spread, rank
from ldnas.recommend import choose_space
from ldnas.space.genotype import Genotype
from ldnas.space.space import FULL_SPACE

POOLS = Genotype(("max_pool_3x3",) * 3 + ("avg_pool_3x3",) * 3)
CONVOLUTIONS = Genotype(("sep_conv_3x3",) * 5 + ("identity",))


def spread(value: float) -> Spread:
    return Spread.of([Distance(value, value)])


def test_the_closest_baselines_genotype_makes_the_space() -> None:
    genotypes = {"a": [POOLS], "b": [CONVOLUTIONS]}
    near_a = rank({"a": spread(0.1), "b": spread(0.2)}, untrained=spread(1.0))
    near_b = rank({"a": spread(0.3), "b": spread(0.2)}, untrained=spread(1.0))
    space_a, space_b = (choose_space(ranking, genotypes, k=1) for ranking in (near_a, near_b))
    assert space_a.source_task_ids == ("a",)
    assert set(space_a.space.primitives) == {"max_pool_3x3", "avg_pool_3x3"}
    assert set(space_b.space.primitives) == {"sep_conv_3x3", "identity"}
    assert space_a.space.fraction_of_full == (2 / 8) ** 6


def test_k_best_genotypes_widen_the_space() -> None:
    ranking = rank({"a": spread(0.1)}, untrained=spread(1.0))
    chosen = choose_space(ranking, {"a": [POOLS, CONVOLUTIONS]}, k=2)
    assert set(chosen.space.primitives) == {"max_pool_3x3", "avg_pool_3x3", "sep_conv_3x3", "identity"}


def test_without_a_close_task_the_full_space_is_searched() -> None:
    for ranking in (rank({}, untrained=None), rank({"a": spread(2.0)}, untrained=spread(1.0))):
        chosen = choose_space(ranking, {"a": [POOLS]}, k=1)
        assert (chosen.space, chosen.source_task_ids) == (FULL_SPACE, ())
