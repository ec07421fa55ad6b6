"""Regularised evolution on landscapes that are known: it finds the planted best, and age alone kills."""

import itertools
import json
import random

import pytest
import torch

from ldnas.data.task_data import ImageSet
from ldnas.errors import InvalidSearchError
from ldnas.search import evolution
from ldnas.search.base import SearchBudget, SearchProblem, SearchRun
from ldnas.search.evolution import Evolution, EvolutionConfig, breed, mutate
from ldnas.search.progress import SearchProgress
from ldnas.search.results import IterationRecord, ScoredGenotype
from ldnas.space.genotype import PRIMITIVES, Genotype
from ldnas.space.skeleton import Skeleton, Stage
from ldnas.space.space import SearchSpace

SPACE = SearchSpace(("identity", "sep_conv_3x3", "max_pool_3x3"))
TWO = SearchSpace(("identity", "max_pool_3x3"))
PLANTED = Genotype(("sep_conv_3x3", "identity", "max_pool_3x3", "max_pool_3x3", "sep_conv_3x3", "identity"))


def problem(space=SPACE):
    sets = []
    for count, seed in ((32, 0), (16, 1)):
        labels = torch.arange(count) % 2
        pixels = torch.randint(0, 120, (count, 3, 8, 8), generator=torch.Generator().manual_seed(seed))
        pixels[labels == 0, :, :, :4] += 100
        sets.append(ImageSet(pixels.to(torch.uint8), labels))
    return SearchProblem(*sets, space, Skeleton(8, 2, 4, (Stage(4, 1), Stage(8, 1))))


def search(
    config=None, *, space=SPACE, iterations=None, seconds=None, patience=None, seed=0, state=None, clock=lambda: 0.0
):
    """A search with its events and its states; it resumes from a state as JSON carries it."""
    events, states = [], []
    outcome = Evolution(config or EvolutionConfig()).search(
        SearchRun(
            problem(space),
            SearchBudget(iterations, seconds, patience),
            seed,
            events.append,
            None if state is None else json.loads(json.dumps(state)),
            states.append,
            clock,
        )
    )
    return outcome, events, states


def distance(one, other):
    """Edges that differ."""
    return sum(left != right for left, right in zip(one.primitives, other.primitives, strict=True))


def births(outcome):
    return [genotype for record in outcome.history for genotype in record.genotypes]


@pytest.fixture
def plant(monkeypatch):
    """Puts a known accuracy in the place of training; gives back the list of all genotypes that were trained."""

    def plant(accuracy):
        trained = []

        def score(genotypes, problem, config, *, seed, on_epoch, expired):
            trained.extend(genotypes)
            scores = tuple(ScoredGenotype(genotype, accuracy(genotype), 0.5, 1) for genotype in genotypes)
            on_epoch(0, scores)
            return scores

        monkeypatch.setattr(evolution, "train_and_score", score)
        return trained

    return plant


def likeness(genotype):
    """1 for the planted best, less with every edge that differs."""
    return 1 - distance(genotype, PLANTED) / 6


def shuffled_likeness(seed=5):
    """The same accuracies, dealt out to the cells at random."""
    cells = list(SPACE)
    dealt = random.Random(seed).sample(cells, len(cells))
    return {cell: likeness(other) for cell, other in zip(cells, dealt, strict=True)}.__getitem__


def test_evolution_finds_the_planted_best_where_a_shuffled_landscape_hides_it(plant):
    def found(accuracy, seed):
        plant(accuracy)
        outcome, _, _ = search(iterations=30, seed=seed)
        assert len(outcome.scored) == 120  # of 729
        return accuracy(outcome.best) == 1.0

    assert sum(found(likeness, seed) for seed in range(10)) >= 8
    assert sum(found(shuffled_likeness(), seed) for seed in range(10)) <= 5


def test_the_oldest_dies_be_it_the_best(plant):
    plant(lambda genotype: 0.0)
    founder = births(search(iterations=1)[0])[0]
    plant(lambda genotype: float(genotype == founder))
    config = EvolutionConfig(population=4, sample=4, candidates=1)
    outcome, _, _ = search(config, iterations=60)
    assert births(outcome)[0] == outcome.best == founder
    # A population that kept its best would breed two of three children from the founder for ever.
    late = births(outcome)[-40:]
    assert sum(distance(child, founder) <= 1 for child in late) < 10


@pytest.mark.parametrize("candidates", [1, 3])
def test_every_child_is_one_edge_away_from_one_of_the_last_that_joined(plant, candidates):
    trained = plant(likeness)
    outcome, _, _ = search(EvolutionConfig(population=5, candidates=candidates), iterations=40)
    assert len(trained) == 40 * candidates
    born, joined = births(outcome), 0
    for record in outcome.history:
        repeats = len(record.genotypes) - candidates
        for place, child in enumerate(record.genotypes):
            # Its siblings that train at the same time have not joined yet.
            before = joined + min(place, repeats)
            if before >= 5:
                first = joined if place >= repeats else before  # the trained were bred between any two repeats
                assert 1 in {distance(child, living) for living in born[max(0, first - 5) : before]}
        joined += len(record.genotypes)
    assert len(born) > len(trained)


def progress_of(*iterations):
    """The progress after iterations of genotypes with accuracies."""
    history = tuple(
        IterationRecord(number, tuple(accuracies), (), 1, next(iter(accuracies)), new_incumbent=number == 0)
        for number, accuracies in enumerate(iterations)
    )
    known = {genotype: accuracy for accuracies in iterations for genotype, accuracy in accuracies.items()}
    return SearchProgress(tuple(ScoredGenotype(*one, 0.5, 1) for one in known.items()), history)


def test_the_parent_is_the_best_of_a_sample_drawn_with_replacement():
    good, bad, dead = (Genotype((primitive,) * 6) for primitive in ("sep_conv_3x3", "identity", "max_pool_3x3"))
    progress = progress_of({dead: 1.0}, {bad: 0.1, good: 0.9})
    config = EvolutionConfig(population=2, sample=2, candidates=1)
    children = [breed(progress, SPACE, config, random.Random(seed))[0] for seed in range(800)]
    parents = [next(parent for parent in (good, bad) if distance(parent, child) == 1) for child in children]
    # 1 - (1/2)²; 800 draws have a standard deviation of 12.
    assert 600 - 60 < parents.count(good) < 600 + 60


def test_a_mutation_changes_one_edge_each_as_often_to_another_primitive_each_as_often():
    rng = random.Random(0)
    mutants = [mutate(PLANTED, SPACE, rng) for _ in range(2400)]
    assert {distance(mutant, PLANTED) for mutant in mutants} == {1}
    assert all(SPACE.contains(mutant) for mutant in mutants)
    counts = [mutants.count(mutant) for mutant in set(mutants)]
    assert len(counts) == 6 * 2
    # 200 expected, standard deviation 14.
    assert all(130 < count < 270 for count in counts)


def test_the_first_population_is_drawn_at_random_each_another_cell(plant):
    trained = plant(likeness)
    outcome, _, _ = search(EvolutionConfig(population=12, candidates=5), iterations=3)
    assert births(outcome)[:12] == trained[:12]
    assert len(set(trained[:12])) == 12
    assert max(distance(one, other) for one, other in itertools.combinations(trained[:12], 2)) >= 5


def test_no_genotype_is_trained_twice_and_a_repeat_joins_with_its_score(plant):
    trained = plant(likeness)
    outcome, events, _ = search(EvolutionConfig(population=5, candidates=2), space=TWO, iterations=30)
    assert len(trained) == len(set(trained)) == 60
    born = births(outcome)
    assert len(born) > len(set(born)) == 60
    assert {score.genotype: score.validation_accuracy for score in outcome.scored} == {
        genotype: likeness(genotype) for genotype in trained
    }
    for event in events:
        if event.kind == "iteration":
            assert event.validation_accuracies == tuple(likeness(genotype) for genotype in event.genotypes)
        else:
            assert len(event.genotypes) == 2


@pytest.mark.parametrize("population", [5, 64, 100])
def test_a_space_no_larger_than_the_population_is_searched_to_its_end(plant, population):
    trained = plant(likeness)
    outcome, _, _ = search(EvolutionConfig(population=population, candidates=5), space=TWO)
    assert sorted(genotype.digest for genotype in trained) == sorted(genotype.digest for genotype in TWO)
    assert likeness(outcome.best) == max(map(likeness, TWO))
    assert outcome.iterations == 13


def test_a_space_of_one_cell_is_a_search_of_one_iteration(plant):
    plant(likeness)
    outcome, _, _ = search(space=SearchSpace(("sep_conv_3x3",)))
    assert births(outcome) == [Genotype(("sep_conv_3x3",) * 6)]


def test_an_iteration_whose_neighbours_are_all_known_continues_with_cells_never_seen():
    # Two cells left, neither of them next to the only one alive.
    living = Genotype(("identity",) * 6)
    far = [cell for cell in TWO if distance(cell, living) >= 5][:2]
    known = {cell: 0.5 for cell in TWO if cell not in far and cell != living}
    config = EvolutionConfig(population=2, sample=1, candidates=2)
    progress = progress_of(known, {living: 0.5}, {living: 0.5})
    for seed in range(5):
        born = breed(progress, TWO, config, random.Random(seed))
        assert {cell for cell in born if cell in far} == set(far)
        assert len(born) <= 64 + 2


def test_the_best_of_all_times_wins_and_the_earlier_of_equals(plant):
    plant(lambda genotype: 0.5)
    outcome, _, _ = search(iterations=5)
    assert outcome.best == births(outcome)[0]
    assert [record.new_incumbent for record in outcome.history] == [True, False, False, False, False]
    plant(likeness)
    outcome, _, _ = search(iterations=12)
    for number, record in enumerate(outcome.history):
        so_far = [genotype for earlier in outcome.history[: number + 1] for genotype in earlier.genotypes]
        assert likeness(record.incumbent) == max(map(likeness, so_far))


def test_a_search_resumed_from_any_state_repeats_the_unbroken_one(plant):
    plant(likeness)
    unbroken, events, states = search(iterations=12, seed=2)
    assert len(states) == 12
    for done, state in enumerate(states, start=1):
        resumed, rest, later = search(iterations=12, seed=2, state=state)
        assert resumed == unbroken
        assert rest == [event for event in events if event.iteration >= done]
        assert later == states[done:]


def test_a_trained_search_resumed_repeats_the_unbroken_one():
    config = EvolutionConfig(population=3, sample=2, candidates=2, epochs=2, batch_size=16)
    unbroken, events, states = search(config, iterations=3)
    resumed, rest, _ = search(config, iterations=3, state=states[1])
    assert resumed == unbroken
    assert rest == [event for event in events if event.iteration == 2]
    assert [event.kind for event in rest] == ["candidates", "round", "round", "iteration"]
    assert {score.epochs for score in unbroken.scored} == {2}
    assert max(score.validation_accuracy for score in unbroken.scored) >= 0.9


def test_patience_and_the_budget_of_iterations_end_the_search(plant):
    plant(lambda genotype: 0.5)
    assert search(patience=4)[0].iterations == 5
    assert search(patience=4, iterations=2)[0].iterations == 2


def test_the_budget_of_seconds_cuts_after_an_epoch_and_counts_the_scores_of_that_epoch():
    seconds = itertools.count()
    config = EvolutionConfig(population=3, candidates=2, epochs=5, batch_size=16)
    outcome, events, states = search(config, seconds=2.5, clock=lambda: float(next(seconds)))
    # Readings: the start, before the first iteration, after each epoch.
    assert [event.kind for event in events] == ["candidates", "round", "round", "iteration"]
    assert {score.epochs for score in outcome.scored} == {2}
    assert outcome.history[0].rounds == 2
    resumed, rest, _ = search(config, seconds=2.5, clock=lambda: 0.0, state=states[-1])
    assert resumed == outcome
    assert rest == []


@pytest.mark.parametrize(
    "wrong", [{"population": 0}, {"sample": 11}, {"candidates": 11}, {"epochs": 0}, {"learning_rate": float("nan")}]
)
def test_impossible_settings_are_refused_by_name(wrong):
    with pytest.raises(InvalidSearchError) as refusal:
        EvolutionConfig(**wrong)
    assert refusal.value.field == f"search.{next(iter(wrong))}"


def test_the_state_of_another_search_is_refused(plant):
    plant(likeness)
    _, _, states = search(iterations=1)
    for changed in ({"seed": 1}, {"space": SearchSpace(PRIMITIVES)}, {"config": EvolutionConfig(population=9)}):
        with pytest.raises(InvalidSearchError, match="another search"):
            search(state=states[0], **changed)
