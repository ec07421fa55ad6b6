"""From a ranking to a space: two baselines with other genotypes give other spaces."""

from ldnas.distance.ranking import Ranking, Verdict
from ldnas.recommend import choose_space
from ldnas.space.genotype import Genotype
from ldnas.space.space import FULL_SPACE

POOLS = Genotype(("max_pool_3x3",) * 3 + ("avg_pool_3x3",) * 3)
CONVOLUTIONS = Genotype(("sep_conv_3x3",) * 5 + ("identity",))


def closest(*sources: str) -> Ranking:
    return Ranking(Verdict.CLOSEST if len(sources) == 1 else Verdict.TIE, sources, sources)


def test_the_closest_baselines_genotype_makes_the_space() -> None:
    genotypes = {"a": [POOLS], "b": [CONVOLUTIONS]}
    space_a, space_b = (choose_space(closest(source), genotypes, k=1) for source in genotypes)
    assert space_a.source_task_ids == ("a",)
    assert set(space_a.space.primitives) == {"max_pool_3x3", "avg_pool_3x3"}
    assert set(space_b.space.primitives) == {"sep_conv_3x3", "identity"}
    assert space_a.space.fraction_of_full == (2 / 8) ** 6


def test_k_best_genotypes_widen_the_space() -> None:
    chosen = choose_space(closest("a"), {"a": [POOLS, CONVOLUTIONS]}, k=2)
    assert set(chosen.space.primitives) == {"max_pool_3x3", "avg_pool_3x3", "sep_conv_3x3", "identity"}


def test_without_a_close_task_the_full_space_is_searched() -> None:
    for verdict in (Verdict.NO_BASELINE, Verdict.NO_CLOSE_TASK):
        chosen = choose_space(Ranking(verdict, ("a",)), {"a": [POOLS]}, k=1)
        assert (chosen.space, chosen.source_task_ids) == (FULL_SPACE, ())


def test_tied_tasks_put_their_primitives_together() -> None:
    chosen = choose_space(closest("b", "a"), {"a": [POOLS], "b": [CONVOLUTIONS]}, k=1)
    assert set(chosen.space.primitives) == {"max_pool_3x3", "avg_pool_3x3", "sep_conv_3x3", "identity"}
    assert chosen.source_task_ids == ("b", "a")


def test_closest_tasks_without_cells_leave_the_full_space() -> None:
    chosen = choose_space(closest("a", "b"), {"a": [], "b": []}, k=1)
    assert (chosen.space, chosen.source_task_ids) == (FULL_SPACE, ())
    chosen = choose_space(closest("a", "b"), {"a": [], "b": [POOLS]}, k=1)
    assert set(chosen.space.primitives) == {"max_pool_3x3", "avg_pool_3x3"}
