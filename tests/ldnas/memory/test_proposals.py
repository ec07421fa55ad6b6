"""Which cells are proposed for a new task, and in which order."""

import random

from ldnas.memory.pooled import PooledScores, pool
from ldnas.memory.proposals import explore, neighbours, propose
from ldnas.memory.scores import CellScore
from ldnas.memory.survivors import SURVIVOR_LEAD, with_survivors
from ldnas.space.genotype import Genotype
from ldnas.space.space import FULL_SPACE

BEST, GOOD, BAD, WORST = FULL_SPACE.sample_distinct(random.Random(0), 4)


def pooled() -> PooledScores:
    return pool([CellScore("a", cell, 0.9 - 0.1 * place, 3) for place, cell in enumerate((BEST, GOOD, BAD, WORST))])


def differences(one: Genotype, other: Genotype) -> int:
    return sum(own != its for own, its in zip(one.primitives, other.primitives, strict=True))


def test_good_cells_come_first_then_neighbours_of_the_best_and_last_the_worse_cells() -> None:
    assert propose(pooled(), 2, seed=0) == (BEST, GOOD)
    proposed = propose(pooled(), 2 + 42 + 42 + 42 + 42 + 2, seed=0)
    assert len(set(proposed)) == len(proposed)
    assert proposed[:2] == (BEST, GOOD)
    assert all(differences(BEST, cell) == 1 for cell in proposed[2:44])
    assert proposed[-2:] == (BAD, WORST)


def test_the_seed_decides_the_neighbours() -> None:
    assert propose(pooled(), 5, seed=1) == propose(pooled(), 5, seed=1)
    assert propose(pooled(), 5, seed=1) != propose(pooled(), 5, seed=2)


def test_a_neighbour_with_a_score_is_not_proposed_as_a_new_cell() -> None:
    evaluated = neighbours(BEST)[:40]
    scores = [CellScore("a", BEST, 0.9, 3), *(CellScore("a", cell, 0.1, 3) for cell in evaluated)]
    proposed = propose(pool(scores), 3, seed=0)
    assert proposed[0] == BEST
    assert set(proposed[1:]) == set(neighbours(BEST)[40:])


def test_only_admitted_cells_are_proposed() -> None:
    def admits(cell: Genotype) -> bool:
        return cell not in (BEST, BAD)

    proposed = propose(pooled(), 1000, 0, admits)
    assert proposed[0] == GOOD
    assert not {BEST, BAD} & set(proposed)
    assert propose(pooled(), 3, 0, lambda cell: False) == ()


def test_of_three_cells_to_try_one_is_a_new_neighbour_of_the_best() -> None:
    *known, near = explore(pooled(), 3, seed=0)
    assert known == [BEST, GOOD]
    assert differences(BEST, near) == 1
    *known, one, other = explore(pooled(), 6, seed=0)
    assert known == [BEST, GOOD, BAD, WORST]
    assert {differences(BEST, one), differences(BEST, other)} == {1}


def test_a_cell_that_is_not_admitted_is_not_tried_but_its_neighbours_are() -> None:
    tried = explore(pooled(), 3, 0, lambda cell: cell != BEST)
    assert tried[:2] == (GOOD, BAD)
    assert differences(BEST, tried[2]) == 1
    alone = explore(pooled(), 3, 0, lambda cell: cell in (BEST, GOOD, BAD))
    assert alone == (BEST, GOOD, BAD), "evaluated cells take the place of neighbours that are not admitted"


def test_of_cells_within_a_deviation_of_the_best_the_cheapest_comes_first() -> None:
    accuracies = {BEST: (0.9, 0.85), GOOD: (0.85, 0.89), BAD: (0.5, 0.5), WORST: (0.1, 0.1)}
    found = pool([CellScore(task, cell, own[task == "b"], 3) for cell, own in accuracies.items() for task in "ab"])
    lead = found.effects[BEST].mean - found.effects[GOOD].mean
    assert lead < found.effects[BEST].standard_deviation < found.effects[BEST].mean - found.effects[BAD].mean
    costs = {BEST: 3.0, GOOD: 2.0, BAD: 1.0, WORST: 0.5}
    assert propose(found, 2, 0, cost=lambda cell: costs.get(cell, 9.0)) == (GOOD, BEST)


def test_without_scores_nothing_is_proposed() -> None:
    assert explore(pool([]), 3, seed=0) == ()
    assert propose(pool([]), 3, seed=0) == ()


def test_a_survivor_of_the_cuts_ranks_before_the_cells_that_were_dropped() -> None:
    scores = [
        CellScore("a", BEST, 0.5, 3, "random"),
        CellScore("a", GOOD, 0.6, 2, "random"),
        CellScore("a", BAD, 0.9, 1, "random"),
        CellScore("a", WORST, 0.8, 1, "random"),
    ]
    added = with_survivors(scores)[4:]
    assert {(score.genotype, score.epochs, score.accuracy) for score in added} == {
        (BEST, 2, 0.6 + SURVIVOR_LEAD),
        (BEST, 1, 0.9 + SURVIVOR_LEAD),
        (GOOD, 1, 0.9 + SURVIVOR_LEAD),
    }
    assert [*pool([*scores, *added]).effects] == [BEST, GOOD, BAD, WORST]
    others = [CellScore("b", GOOD, 0.9, 9, "random"), CellScore("a", GOOD, 0.9, 9, "race")]
    assert set(with_survivors([*scores, *others])) == {*scores, *added, *others}, "a search is compared with itself"
