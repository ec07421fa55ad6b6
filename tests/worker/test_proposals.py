"""The cells that a study tries."""

from ldnas.space.genotype import EDGES, Genotype
from worker.jobs.stages.proposals import propose_cells

GOOD, FAIR, POOR = (
    Genotype((primitive,) * len(EDGES)) for primitive in ("sep_conv_3x3", "conv_7x1_1x7", "avg_pool_3x3")
)


def edges_changed(cell: Genotype, other: Genotype) -> int:
    return sum(one != another for one, another in zip(cell.primitives, other.primitives, strict=True))


def test_known_cells_come_first_and_neighbours_of_the_best_after_them() -> None:
    proposed = propose_cells([GOOD, FAIR, POOR], trained=(), count=3, seed=0)
    assert proposed[:2] == (GOOD, FAIR)
    assert [edges_changed(cell, GOOD) for cell in proposed[2:]] == [1]
    assert proposed == propose_cells([GOOD, FAIR, POOR], trained=(), count=3, seed=0)
    assert proposed != propose_cells([GOOD, FAIR, POOR], trained=(), count=3, seed=1)


def test_a_trained_cell_is_not_proposed_but_its_neighbours_are() -> None:
    proposed = propose_cells([GOOD], trained={GOOD}, count=6, seed=0)
    assert len(set(proposed)) == 6
    assert [edges_changed(cell, GOOD) for cell in proposed] == [1] * 6
    rest = propose_cells([GOOD, FAIR], trained={GOOD, FAIR, *proposed}, count=60, seed=0)
    assert not set(rest) & {GOOD, FAIR, *proposed}
    assert len(set(rest)) == 60, "the neighbours of the second-best cell follow"


def test_without_known_cells_they_are_drawn_from_the_full_space() -> None:
    proposed = propose_cells([], trained=(), count=3, seed=0)
    assert len(set(proposed)) == 3
