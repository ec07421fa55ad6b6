"""Random search with weight sharing: what it draws, keeps and finds."""

import random

import pytest
import torch

from ldnas.errors import InvalidSearchError
from ldnas.search.random_sharing import RandomSharing, RandomSharingConfig
from ldnas.search.weight_sharing import SharedWeights

SEEDS = (0, 1, 2)


def test_it_finds_a_cell_of_the_planted_best(planted_problem, control_problem, planted_edges, run_search):
    # 7 of the 64 cells have five or six planted edges, which alone too are equally good.
    strategy = RandomSharing(RandomSharingConfig(iterations=6, batch_size=32, candidates=24))
    found = [planted_edges(run_search(strategy, planted_problem, seed).best) for seed in SEEDS]
    control = [planted_edges(run_search(strategy, control_problem, seed).best) for seed in SEEDS]
    assert min(found) >= 5
    assert sum(found) > sum(control)


def test_the_incumbent_comes_first_among_new_draws_and_the_best_follows_it(planted_problem, run_search):
    strategy = RandomSharing(RandomSharingConfig(iterations=4, batch_size=64, candidates=5))
    outcome = run_search(strategy, planted_problem, 0)
    for before, record in zip(outcome.history[:-1], outcome.history[1:], strict=True):
        assert record.genotypes[0] == before.incumbent
        assert len(set(record.genotypes)) == 5
    accuracy = {score.genotype: score.validation_accuracy for score in outcome.scored}
    assert accuracy[outcome.best] == max(accuracy[genotype] for genotype in outcome.history[-1].genotypes)


def test_a_path_trains_only_its_own_operations(planted_problem):
    shared = SharedWeights(planted_problem, RandomSharingConfig(batch_size=256), seed=0)
    cell = planted_problem.space.sample(random.Random(0))
    for inputs, labels in shared.training_batches(0):
        kept = shared.network.head.weight.detach().clone()
        shared.step(inputs, labels, cell)
    assert not torch.equal(shared.network.head.weight, kept)


@pytest.mark.parametrize("wrong", [{"candidates": 0}, {"weight_learning_rate": 0.0}])
def test_impossible_settings_are_refused_by_name(wrong):
    with pytest.raises(InvalidSearchError) as refusal:
        RandomSharingConfig(**wrong)
    assert refusal.value.field == f"search.{next(iter(wrong))}"
