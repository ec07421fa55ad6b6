"""What every search strategy guarantees, whatever it does inside (see `ldnas.search.base.Strategy`)."""

import dataclasses
import json

import pytest
import torch

from ldnas.data.task_data import ImageSet
from ldnas.errors import InvalidSearchError
from ldnas.search.base import SearchBudget, SearchProblem
from ldnas.search.darts import Darts, DartsConfig
from ldnas.search.enas import Enas, EnasConfig
from ldnas.search.evolution import Evolution, EvolutionConfig
from ldnas.search.fuse import Fuse, FuseConfig
from ldnas.search.pc_darts import PcDarts, PcDartsConfig
from ldnas.search.random import RandomSearch, RandomSearchConfig
from ldnas.search.random_sharing import RandomSharing, RandomSharingConfig
from ldnas.space.skeleton import Skeleton, Stage
from ldnas.space.space import SearchSpace

SHARED = {"weight_epochs": 2, "batch_size": 16}
FUSE = {"candidates": 3, "rounds": 2, "alpha_steps": 5, "batch_size": 16, "patience": 50}
STRATEGIES = {
    "fuse": lambda clock: Fuse(FuseConfig(**FUSE).as_in_paper(), clock),
    "fuse_keeping_and_dropping": lambda clock: Fuse(
        FuseConfig(**FUSE, variant="expected", keep_incumbent=True, drop_lost=True, screen="gradient_norm", pool=2),
        clock,
    ),
    "random": lambda clock: RandomSearch(RandomSearchConfig(candidates=3, epochs=2, batch_size=16, patience=50), clock),
    "evolution": lambda clock: Evolution(
        EvolutionConfig(population=4, sample=2, candidates=3, epochs=2, batch_size=16, patience=50), clock
    ),
    "darts": lambda clock: Darts(DartsConfig(**SHARED), clock),
    "darts_second_order": lambda clock: Darts(DartsConfig(**SHARED, order=2), clock),
    "pc_darts": lambda clock: PcDarts(PcDartsConfig(**SHARED, partial=2, warm_up=1), clock),
    "enas": lambda clock: Enas(EnasConfig(**SHARED, candidates=4, controller_steps=2, policy_samples=4), clock),
    "random_sharing": lambda clock: RandomSharing(RandomSharingConfig(**SHARED, candidates=4), clock),
}
SPACE = SearchSpace(("identity", "sep_conv_3x3", "max_pool_3x3"))


class CancelledError(Exception):
    """What a caller raises to end a search."""


class Recorder:
    """Collects a search's events and states; cancels at an event if told to."""

    def __init__(self, cancel_at=None):
        self.events, self.states, self._cancel_at = [], [], cancel_at

    def on_event(self, event):
        self.events.append(event)
        if len(self.events) - 1 == self._cancel_at:
            raise CancelledError

    def on_state(self, state):
        self.states.append(json.loads(json.dumps(state, allow_nan=False)))


class SteppingClock:
    """A clock that is one second further at every reading."""

    def __init__(self):
        self.readings = 0

    def __call__(self):
        self.readings += 1
        return float(self.readings)


def images(count, seed):
    """Two classes: the left or the right half is bright."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    pixels = torch.randint(0, 120, (count, 3, 8, 8), generator=generator, dtype=torch.uint8)
    pixels[labels == 0, :, :, :4] += 100
    pixels[labels == 1, :, :, 4:] += 100
    return ImageSet(pixels, labels)


def problem(space=SPACE):
    return SearchProblem(images(32, 0), images(16, 1), space, Skeleton(8, 2, 4, (Stage(4, 1), Stage(8, 1))))


@pytest.fixture(params=STRATEGIES)
def strategy(request):
    return STRATEGIES[request.param](lambda: 0.0)


@pytest.fixture(params=STRATEGIES)
def timed_strategy(request):
    return STRATEGIES[request.param](SteppingClock())


def search(strategy, *, space=SPACE, iterations=3, seconds=None, seed=0, state=None, recorder=None):
    recorder = recorder or Recorder()
    outcome = strategy.search(
        problem(space),
        budget=SearchBudget(iterations, seconds),
        seed=seed,
        on_event=recorder.on_event,
        state=state,
        on_state=recorder.on_state,
    )
    return outcome, recorder


def test_a_strategy_stays_in_its_space(strategy):
    outcome, recorder = search(strategy)
    assert SPACE.contains(outcome.best)
    assert all(SPACE.contains(score.genotype) for score in outcome.scored)
    assert all(SPACE.contains(genotype) for event in recorder.events for genotype in event.genotypes)


def test_a_strategy_scores_all_it_sampled_once_and_chooses_among_them(strategy):
    outcome, recorder = search(strategy)
    scored = [score.genotype for score in outcome.scored]
    assert len(set(scored)) == len(scored)
    assert set(scored) == {genotype for event in recorder.events for genotype in event.genotypes}
    assert outcome.best in scored
    for score in outcome.scored:
        assert 0 <= score.validation_accuracy <= 1
        assert 0 <= score.validation_balanced_accuracy <= 1
        assert score.epochs >= 1


def test_a_strategy_repeats_with_its_seed(strategy):
    first, first_recorder = search(strategy, seed=3)
    torch.manual_seed(99)  # whatever others draw meanwhile must not matter
    second, second_recorder = search(strategy, seed=3)
    assert first == second
    assert first_recorder.events == second_recorder.events
    assert first_recorder.states == second_recorder.states


def test_a_strategy_draws_others_with_another_seed(strategy):
    def drawn(seed):
        return [score.genotype for score in search(strategy, seed=seed)[0].scored]

    assert drawn(3) != drawn(4)


def test_a_strategy_resumes_from_every_state_to_the_same_outcome(strategy):
    unbroken, recorder = search(strategy)
    assert len(recorder.states) == unbroken.iterations == 3
    for done, state in enumerate(recorder.states, start=1):
        resumed, rest = search(strategy, state=state)
        assert resumed == unbroken
        assert rest.states == recorder.states[done:]


def test_a_strategy_goes_on_from_a_finished_search_with_a_larger_budget(strategy):
    _, recorder = search(strategy, iterations=1)
    extended, _ = search(strategy, iterations=3, state=recorder.states[-1])
    assert extended == search(strategy, iterations=3)[0]


def test_a_strategy_is_cancelled_by_raising_from_any_event_and_resumes_to_the_same_outcome(strategy):
    unbroken, recorder = search(strategy, iterations=2)
    for position in range(len(recorder.events)):
        broken = Recorder(cancel_at=position)
        with pytest.raises(CancelledError):
            search(strategy, iterations=2, recorder=broken)
        assert len(broken.events) == position + 1
        state = broken.states[-1] if broken.states else None
        assert search(strategy, iterations=2, state=state)[0] == unbroken


def test_a_strategy_refuses_the_state_of_another_search(strategy):
    _, recorder = search(strategy, iterations=1, seed=0)
    for changed in ({"seed": 1}, {"space": SearchSpace(("identity", "sep_conv_3x3"))}):
        with pytest.raises(InvalidSearchError, match="another search"):
            search(strategy, state=recorder.states[-1], **changed)


def test_a_strategy_keeps_its_budget_of_iterations(strategy):
    for iterations in (1, 2):
        outcome, recorder = search(strategy, iterations=iterations)
        assert outcome.iterations == len(outcome.history) == iterations
        assert len(recorder.states) == iterations


def test_a_strategy_keeps_its_budget_of_seconds(timed_strategy):
    clock = timed_strategy.clock
    outcome, recorder = search(timed_strategy, iterations=None, seconds=30.0)
    assert outcome.iterations >= 2
    assert clock.readings <= 30 + 3  # one second a reading: the start, and the last look at the clock
    assert recorder.states[-1]["seconds"] <= 30


def test_a_strategy_counts_the_seconds_spent_before_a_resumption(timed_strategy):
    spent, recorder = search(timed_strategy, iterations=None, seconds=30.0)
    resumed, rest = search(timed_strategy, iterations=None, seconds=30.0, state=recorder.states[-1])
    assert resumed == spent
    assert rest.events == []


def test_a_strategy_with_hardly_any_time_still_scores_a_candidate_and_says_so_after_one_round(timed_strategy):
    outcome, recorder = search(timed_strategy, iterations=None, seconds=0.001)
    assert outcome.best in [score.genotype for score in outcome.scored]
    assert outcome.iterations == 1
    assert [event.kind for event in recorder.events] == ["candidates", "round", "iteration"]


def test_a_strategy_ends_when_its_space_is_exhausted(strategy):
    outcome, _ = search(strategy, space=SearchSpace(("sep_conv_3x3",)), iterations=None)
    assert outcome.best.primitives == ("sep_conv_3x3",) * 6
    assert len(outcome.scored) == outcome.iterations == 1


def test_a_strategy_tells_events_that_are_json(strategy):
    outcome, recorder = search(strategy, iterations=2)
    told = json.loads(json.dumps([event.to_json() for event in recorder.events], allow_nan=False))
    assert told[0]["kind"] == "candidates"
    assert [event["iteration"] for event in told if event["kind"] == "iteration"] == [0, 1]
    assert told[-1]["incumbent"] == outcome.best.to_json()


def test_a_strategy_learns_what_can_be_learnt(strategy):
    outcome, _ = search(strategy, iterations=6)
    assert max(score.validation_accuracy for score in outcome.scored) >= 0.9


def test_a_strategy_is_given_no_test_images():
    assert {field.name for field in dataclasses.fields(SearchProblem)} == {"train", "validation", "space", "skeleton"}
