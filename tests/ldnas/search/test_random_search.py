"""Random search with early stopping: the candidates that are cut, that train on and that win."""

import itertools

import pytest
import torch
from torch.nn import functional as F

from ldnas.data.task_data import ImageSet
from ldnas.errors import InvalidSearchError
from ldnas.search.base import SearchBudget, SearchProblem, SearchRun, ranked
from ldnas.search.candidates import own_losses
from ldnas.search.random import RandomSearch, RandomSearchConfig
from ldnas.search.results import ScoredGenotype
from ldnas.space.genotype import PRIMITIVES, Genotype
from ldnas.space.skeleton import Skeleton, Stage
from ldnas.space.space import SearchSpace


def search(config, *, iterations=1):
    generator = torch.Generator().manual_seed(0)
    sets = [
        ImageSet(
            torch.randint(0, 256, (count, 3, 8, 8), generator=generator, dtype=torch.uint8), torch.arange(count) % 2
        )
        for count in (32, 20)
    ]
    space = SearchSpace(("identity", "sep_conv_3x3", "max_pool_3x3"))
    problem = SearchProblem(*sets, space, Skeleton(8, 2, 4, (Stage(4, 1),)))
    events = []
    outcome = RandomSearch(config).search(SearchRun(problem, SearchBudget(iterations=iterations), 0, events.append))
    return outcome, events


def test_each_cut_keeps_the_better_half():
    outcome, events = search(RandomSearchConfig(candidates=8, epochs=3, batch_size=16))
    rounds = [event for event in events if event.kind == "round"]
    assert [len(event.genotypes) for event in rounds] == [8, 4, 2]
    for before, after in itertools.pairwise(rounds):
        accuracy = dict(zip(before.genotypes, before.validation_accuracies, strict=True))
        cut = set(before.genotypes) - set(after.genotypes)
        assert min(accuracy[kept] for kept in after.genotypes) >= max(accuracy[genotype] for genotype in cut)
    assert sorted(score.epochs for score in outcome.scored) == [1] * 4 + [2] * 2 + [3] * 2


def test_rungs_of_two_epochs_end_exactly_at_the_last_epoch():
    outcome, events = search(RandomSearchConfig(candidates=4, epochs=5, rung_epochs=2, keep=1.0, batch_size=16))
    assert [event.round for event in events if event.kind == "round"] == [0, 1, 2]
    assert {score.epochs for score in outcome.scored} == {5}


def test_the_winner_is_the_best_of_those_trained_longest():
    outcome, _ = search(RandomSearchConfig(candidates=6, epochs=3, batch_size=16), iterations=3)
    longest = [score for score in outcome.scored if score.epochs == 3]
    best = next(score for score in outcome.scored if score.genotype == outcome.best)
    assert best.epochs == 3
    assert best.validation_accuracy == max(score.validation_accuracy for score in longest)


def test_every_candidate_trains_on_its_own_loss():
    torch.manual_seed(0)
    logits, labels = torch.randn(3, 7, 4), torch.randint(0, 4, (7,))
    expected = sum(F.cross_entropy(own, labels) for own in logits)
    torch.testing.assert_close(own_losses(logits, labels), expected)


def test_scores_rank_by_epochs_then_accuracy_then_balanced_accuracy_then_order():
    cells = [Genotype((primitive, *["identity"] * 5)) for primitive in PRIMITIVES[:5]]
    scores = [
        ScoredGenotype(cells[0], 0.9, 0.9, 1),
        ScoredGenotype(cells[1], 0.8, 0.5, 2),
        ScoredGenotype(cells[2], 0.8, 0.7, 2),
        ScoredGenotype(cells[3], 0.85, 0.1, 2),
        ScoredGenotype(cells[4], 0.8, 0.7, 2),
    ]
    assert [score.genotype for score in ranked(scores)] == [cells[index] for index in (3, 2, 4, 1, 0)]


@pytest.mark.parametrize("wrong", [{"candidates": 0}, {"keep": 0.0}, {"keep": 1.5}, {"epochs": 0}])
def test_impossible_settings_are_refused_by_name(wrong):
    with pytest.raises(InvalidSearchError) as refusal:
        RandomSearchConfig(**wrong)
    assert refusal.value.field == f"search.{next(iter(wrong))}"
