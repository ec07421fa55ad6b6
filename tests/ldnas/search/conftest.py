"""A problem whose best cell is known, for the strategies that share weights."""

import dataclasses

import pytest
import torch

from ldnas.data.task_data import ImageSet
from ldnas.search.base import SearchBudget, SearchProblem, SearchRun
from ldnas.space.skeleton import Skeleton, Stage
from ldnas.space.space import SearchSpace

PLANTED = "identity"


def chequered(count, seed):
    """Noise, and in every second image a chequered pattern of single pixels, which an average pool wipes out."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    board = (torch.arange(8)[:, None] + torch.arange(8)) % 2 * 2 - 1
    phase = torch.randint(0, 2, (count,), generator=generator) * 2 - 1
    pixels = 128 + 60 * torch.randn(count, 3, 8, 8, generator=generator)
    pixels += (25 * labels * phase)[:, None, None, None] * board
    return ImageSet(pixels.clamp(0, 255).to(torch.uint8), labels)


@pytest.fixture(scope="session")
def planted_problem():
    """The fewer average pools, the better: a cell of identities is the best of the 64.

    Trained alone for 6 epochs, cells with 0 to 6 identities reach .52, .63, .66, .83, .98, .99, .98 of the
    validation images (means of 2 to 4 cells each).
    """
    space = SearchSpace((PLANTED, "avg_pool_3x3"))
    return SearchProblem(chequered(256, 0), chequered(256, 1), space, Skeleton(8, 2, 8, (Stage(8, 1),)))


@pytest.fixture(scope="session")
def control_problem(planted_problem):
    """The same with its validation labels shuffled: what a strategy learns from them is worth nothing."""
    order = torch.randperm(256, generator=torch.Generator().manual_seed(0))
    validation = planted_problem.validation
    return dataclasses.replace(planted_problem, validation=ImageSet(validation.images, validation.labels[order]))


@pytest.fixture(scope="session")
def planted_edges():
    """How many edges of a cell carry the planted primitive, 0 to 6."""
    return lambda genotype: genotype.primitives.count(PLANTED)


@pytest.fixture(scope="session")
def run_search():
    """Searches a problem to the end of the strategy's schedule."""

    def run(strategy, problem, seed):
        return strategy.search(SearchRun(problem, SearchBudget(), seed))

    return run
