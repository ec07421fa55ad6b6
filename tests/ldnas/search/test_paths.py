"""The best admitted cell under α, against a look at every cell; states of another version."""

import pytest
import torch

from ldnas.errors import InvalidSearchError
from ldnas.search.paths import best_admitted
from ldnas.search.progress import SearchProgress
from ldnas.space.complexity import parameters
from ldnas.space.constraints import Constraints
from ldnas.space.feasible_cells import FeasibleCells
from ldnas.space.genotype import Genotype
from ldnas.space.skeleton import Skeleton, Stage
from ldnas.space.space import SearchSpace

SKELETON = Skeleton(8, 2, 4, (Stage(4, 1),))
SPACE = SearchSpace(("identity", "sep_conv_3x3", "conv_7x1_1x7"))
LIMIT = parameters(Genotype(("sep_conv_3x3",) * 2 + ("identity",) * 4), SKELETON)


def test_it_is_the_cell_of_the_highest_product_among_those_that_keep_the_limit():
    cells = FeasibleCells(SPACE, SKELETON, Constraints(max_parameters=LIMIT))
    moved = 0
    for seed in range(8):
        logs = torch.randn(6, 3, generator=torch.Generator().manual_seed(seed)).log_softmax(dim=1)

        def weight(genotype, logs=logs):
            places = (SPACE.primitives.index(primitive) for primitive in genotype.primitives)
            return sum(float(logs[edge, place]) for edge, place in enumerate(places))

        kept = [genotype for genotype in SPACE if parameters(genotype, SKELETON) <= LIMIT]
        assert best_admitted(logs, cells) == max(kept, key=weight)
        moved += best_admitted(logs, cells) != best_admitted(logs, FeasibleCells(SPACE, SKELETON))
    assert moved > 0


def test_a_state_that_lacks_what_this_version_needs_is_refused():
    state = SearchProgress().to_state("k")
    del state["carried"]
    with pytest.raises(InvalidSearchError, match="lacks 'carried'"):
        SearchProgress.from_state(state, "k")
