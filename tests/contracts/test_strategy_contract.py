"""The guarantees of every search strategy, whatever it does inside (see `ldnas.search.base.Strategy`)."""

import dataclasses
import functools
import json

import pytest
import torch

from ldnas.data.task_data import ImageSet
from ldnas.errors import ImpossibleConstraintError, InvalidSearchError
from ldnas.search.base import SearchBudget, SearchProblem, SearchRun
from ldnas.search.darts import Darts, DartsConfig
from ldnas.search.enas import Enas, EnasConfig
from ldnas.search.evolution import Evolution, EvolutionConfig
from ldnas.search.fuse import Fuse, FuseConfig
from ldnas.search.pc_darts import PcDarts, PcDartsConfig
from ldnas.search.random import RandomSearch, RandomSearchConfig
from ldnas.search.random_sharing import RandomSharing, RandomSharingConfig
from ldnas.search.repeated_splits import OverSplits, OverSplitsConfig
from ldnas.space.complexity import multiply_adds, parameters
from ldnas.space.constraints import UNLIMITED, Constraints
from ldnas.space.genotype import Genotype
from ldnas.space.latency_table import LatencyTable
from ldnas.space.skeleton import Skeleton, Stage
from ldnas.space.space import SearchSpace
from ldnas.space.supernet import Supernet

SHARED = {"weight_epochs": 2, "batch_size": 16}
FUSE = {"candidates": 3, "rounds": 2, "alpha_steps": 5, "batch_size": 16}
STRATEGIES = {
    "fuse": Fuse(FuseConfig(**FUSE).as_in_paper()),
    "fuse_keeping_and_dropping": Fuse(FuseConfig(**FUSE, variant="expected", keep_incumbent=True, drop_lost=True)),
    "fuse_over_splits": OverSplits(Fuse(FuseConfig(**FUSE)), OverSplitsConfig(repetitions=2, steps=4)),
    "random": RandomSearch(RandomSearchConfig(candidates=3, epochs=2, batch_size=16)),
    "evolution": Evolution(EvolutionConfig(population=4, sample=2, candidates=3, epochs=2, batch_size=16)),
    "darts": Darts(DartsConfig(**SHARED)),
    "darts_second_order": Darts(DartsConfig(**SHARED, order=2)),
    "pc_darts": PcDarts(PcDartsConfig(**SHARED, partial=2, warm_up=1)),
    "enas": Enas(EnasConfig(**SHARED, candidates=4, controller_steps=2, policy_samples=4)),
    "random_sharing": RandomSharing(RandomSharingConfig(**SHARED, candidates=4)),
}
SECONDS = {"fuse_over_splits": 40.0}
"""Seconds of a short search by a clock that advances at every reading; a search in a search reads it more often."""
SHARING = {
    "darts": {"alpha", "adam"},
    "darts_second_order": {"alpha", "adam"},
    "pc_darts": {"alpha", "adam"},
    "enas": {"baseline", "controller", "controller_adam"},
    "random_sharing": set(),
}
SPACE = SearchSpace(("identity", "sep_conv_3x3", "max_pool_3x3"))


class CancelledError(Exception):
    """A caller raises this to end a search."""


class Recorder:
    """Collects a search's events and states; cancels at the event `cancel_at`, if given."""

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


ONE_CONVOLUTION = Genotype(("sep_conv_3x3",) + ("identity",) * 5)
SKELETON = Skeleton(8, 2, 4, (Stage(4, 1), Stage(8, 1)))
TABLE = LatencyTable(
    "a made device", SKELETON, 1.0, {"identity": (0.0, 0.0), "sep_conv_3x3": (0.1, 0.1), "max_pool_3x3": (1.0, 1.0)}
)
# At most one convolution, or no pool.
LIMITS = {
    "max_parameters": Constraints(max_parameters=parameters(ONE_CONVOLUTION, SKELETON)),
    "max_macs": Constraints(max_macs=multiply_adds(ONE_CONVOLUTION, SKELETON)),
    "max_latency_ms": Constraints(max_latency_ms=2.3),
}


def problem(space=SPACE, constraints=UNLIMITED):
    return SearchProblem(images(32, 0), images(16, 1), space, SKELETON, constraints, TABLE)


@pytest.fixture(params=STRATEGIES)
def name(request):
    return request.param


@pytest.fixture
def strategy(name):
    return STRATEGIES[name]


@pytest.fixture
def seconds(name):
    return SECONDS.get(name, 14.0)


def search(
    strategy,
    *,
    space=SPACE,
    iterations=3,
    seconds=None,
    patience=None,
    seed=0,
    state=None,
    recorder=None,
    constraints=UNLIMITED,
    clock=lambda: 0.0,
):
    recorder = recorder or Recorder()
    budget = SearchBudget(iterations, seconds, patience)
    run = SearchRun(problem(space, constraints), budget, seed, recorder.on_event, state, recorder.on_state, clock)
    return strategy.search(run), recorder


@functools.cache
def known(name, iterations=3, seed=0):
    """A search that several tests look at, run once; its values are not to be changed."""
    return search(STRATEGIES[name], iterations=iterations, seed=seed)


def test_a_strategy_stays_in_its_space(name):
    outcome, recorder = known(name)
    assert SPACE.contains(outcome.best)
    assert all(SPACE.contains(score.genotype) for score in outcome.scored)
    assert all(SPACE.contains(genotype) for event in recorder.events for genotype in event.genotypes)


def test_a_strategy_scores_all_it_sampled_once_and_chooses_among_them(name):
    outcome, recorder = known(name)
    scored = [score.genotype for score in outcome.scored]
    assert len(set(scored)) == len(scored)
    assert set(scored) == {genotype for event in recorder.events for genotype in event.genotypes}
    assert outcome.best in scored
    for score in outcome.scored:
        assert 0 <= score.validation_accuracy <= 1
        assert 0 <= score.validation_balanced_accuracy <= 1
        assert score.epochs >= 1


def test_a_strategy_repeats_with_its_seed(name, strategy):
    first, first_recorder = known(name, iterations=2)
    torch.manual_seed(99)  # whatever others draw meanwhile must not matter
    second, second_recorder = search(strategy, iterations=2)
    assert first == second
    assert first_recorder.events == second_recorder.events
    assert first_recorder.states == second_recorder.states


def test_a_strategy_draws_others_with_another_seed(name):
    outcomes = known(name, iterations=2)[0], known(name, iterations=2, seed=4)[0]
    first, second = ([score.genotype for score in outcome.scored][:3] for outcome in outcomes)
    assert first != second


def test_a_strategy_resumes_from_every_state_to_the_same_outcome(name, strategy):
    unbroken, recorder = known(name)
    assert len(recorder.states) == unbroken.iterations == 3
    for done, state in enumerate(recorder.states, start=1):
        resumed, rest = search(strategy, state=state)
        assert resumed == unbroken
        assert rest.states == recorder.states[done:]


def test_a_strategy_keeps_in_its_states_all_that_it_learns(name):
    _, recorder = known(name)
    if name in SHARING:
        before, after = (state["carried"] for state in recorder.states[1:])  # PC-DARTS's α rests in the first
        assert {part.split(".")[0] for part in after} == SHARING[name] | {"weights", "sgd"}
        for part in after:
            # A path leaves operations that it does not use as they were, so not all weights change.
            if part == "weights.head.weight" or part.split(".")[0] in SHARING[name]:
                assert after[part]["data"] != before[part]["data"]
    records = recorder.states[-1]["history"]
    assert all(len(record["edge_weights"]) == (6 if "alpha" in SHARING.get(name, ()) else 0) for record in records)
    assert all(bool(record["alphas"]) == name.startswith("fuse") for record in records)


def test_a_strategy_resumes_a_finished_search_with_a_larger_budget(name, strategy):
    _, recorder = known(name, iterations=2)
    extended, _ = search(strategy, iterations=3, state=recorder.states[-1])
    assert extended == known(name)[0]


def test_a_strategy_is_cancelled_by_raising_from_any_event_and_leaves_states_to_resume_from(name, strategy):
    """Those of the unbroken search, from each of which it resumes to the same outcome by the test of states."""
    _, recorder = known(name, iterations=2)
    second = next(position for position, event in enumerate(recorder.events) if event.iteration == 1)
    for position, event in enumerate(recorder.events[: second + 1]):
        broken = Recorder(cancel_at=position)
        with pytest.raises(CancelledError):
            search(strategy, iterations=2, recorder=broken)
        assert broken.events == recorder.events[: position + 1]
        done = event.iteration + (event.kind == "iteration")
        assert broken.states == recorder.states[:done]


def test_a_strategy_refuses_the_state_of_another_search(name, strategy):
    _, recorder = known(name, iterations=2)
    others = {"seed": 1}, {"space": SearchSpace(("identity", "sep_conv_3x3"))}, {"constraints": LIMITS["max_macs"]}
    for changed in others:
        with pytest.raises(InvalidSearchError, match="another search"):
            search(strategy, state=recorder.states[-1], **changed)


def test_a_strategy_keeps_its_budget_of_iterations(name):
    for iterations in (2, 3):
        outcome, recorder = known(name, iterations=iterations)
        assert outcome.iterations == len(outcome.history) == iterations
        assert len(recorder.states) == iterations


def test_a_strategy_keeps_its_budget_of_seconds(strategy, seconds):
    clock = SteppingClock()
    outcome, recorder = search(strategy, iterations=None, seconds=seconds, clock=clock)
    assert outcome.iterations >= 2
    assert clock.readings <= seconds + 3  # one second a reading: the start, and the last look at the clock
    assert recorder.states[-1]["seconds"] <= seconds


def test_patience_ends_a_strategy_without_a_schedule_and_no_other(name, strategy):
    outcome, _ = search(strategy, iterations=30 if strategy.max_iterations is None else 3, patience=1)
    if strategy.max_iterations is not None:
        assert outcome == known(name)[0]
    elif name != "fuse_over_splits":  # there it ends the search of each split
        changed = [record.new_incumbent for record in outcome.history]
        assert changed == [True] * (len(changed) - 1) + [False]


def test_a_strategy_with_a_schedule_ends_with_it(strategy):
    if strategy.max_iterations is None:
        return
    short = dataclasses.replace(strategy, config=dataclasses.replace(strategy.config, iterations=2))
    assert (short.max_iterations, search(short, iterations=3)[0].iterations) == (2, 2)


def test_a_steady_strategy_has_no_warm_up_and_is_of_the_same_kind(strategy):
    steady = strategy.steady()
    assert (type(steady), steady.warm_up, steady.steady()) == (type(strategy), 0, steady)
    assert 0 < strategy.cost_factor <= 1
    assert steady.cost_factor == 1


def test_a_strategy_counts_the_seconds_spent_before_a_resumption(strategy, seconds):
    clock = SteppingClock()
    spent, recorder = search(strategy, iterations=None, seconds=seconds, clock=clock)
    resumed, rest = search(strategy, iterations=None, seconds=seconds, state=recorder.states[-1], clock=clock)
    assert resumed == spent
    assert rest.events == []


def test_a_strategy_with_hardly_any_time_still_scores_a_candidate_and_says_so_after_one_round(strategy):
    outcome, recorder = search(strategy, iterations=None, seconds=0.001, clock=SteppingClock())
    assert outcome.best in [score.genotype for score in outcome.scored]
    assert outcome.iterations == 1
    assert [event.kind for event in recorder.events] == ["candidates", "round", "iteration"]


def test_a_strategy_ends_when_its_space_is_exhausted(strategy):
    outcome, _ = search(strategy, space=SearchSpace(("sep_conv_3x3",)), iterations=None)
    assert outcome.best.primitives == ("sep_conv_3x3",) * 6
    assert len(outcome.scored) == outcome.iterations == 1


def test_a_strategy_reports_events_that_are_json(name):
    outcome, recorder = known(name, iterations=2)
    events = json.loads(json.dumps([event.to_json() for event in recorder.events], allow_nan=False))
    assert events[0]["kind"] == "candidates"
    assert [event["iteration"] for event in events if event["kind"] == "iteration"] == [0, 1]
    assert events[-1]["incumbent"] == outcome.best.to_json()


def test_a_strategy_learns_what_can_be_learnt(name, strategy):
    outcome, _ = search(strategy, iterations=6, state=known(name)[1].states[-1])
    assert max(score.validation_accuracy for score in outcome.scored) >= 0.9


@pytest.mark.parametrize("limit", LIMITS)
def test_a_strategy_samples_and_trains_only_cells_that_keep_a_limit(strategy, limit, monkeypatch):
    limited = problem(constraints=LIMITS[limit])
    trained = []
    path_of = Supernet._indices

    def noted(supernet, genotype):
        trained.append(genotype)
        return path_of(supernet, genotype)

    monkeypatch.setattr(Supernet, "_indices", noted)
    outcome, recorder = search(strategy, iterations=2, constraints=LIMITS[limit])
    reported = [genotype for event in recorder.events for genotype in event.genotypes]
    assert limited.size < SPACE.size / 2
    for genotype in (outcome.best, *(score.genotype for score in outcome.scored), *reported, *trained):
        assert parameters(genotype, SKELETON) <= (limited.constraints.max_parameters or 10**9)
        assert multiply_adds(genotype, SKELETON) <= (limited.constraints.max_macs or 10**9)
        assert TABLE.predict_ms(genotype) <= (limited.constraints.max_latency_ms or 10**9)


def test_a_strategy_ends_when_the_cells_that_keep_a_limit_are_exhausted(strategy):
    space = SearchSpace(("identity", "sep_conv_3x3"))
    least = Constraints(max_parameters=parameters(Genotype(("identity",) * 6), SKELETON))
    outcome, _ = search(strategy, space=space, iterations=None, constraints=least)
    assert outcome.best.primitives == ("identity",) * 6
    assert outcome.iterations == 1


def test_a_strategy_is_given_no_problem_that_has_no_cell():
    for limit, nearest in (("max_parameters", 438), ("max_macs", None), ("max_latency_ms", 1.0)):
        with pytest.raises(ImpossibleConstraintError) as refusal:
            problem(constraints=Constraints(**{limit: 1 if limit != "max_latency_ms" else 0.5}))
        assert refusal.value.field == f"constraints.{limit}"
        assert nearest is None or refusal.value.nearest_possible == nearest


def test_a_strategy_is_given_no_test_images():
    fields = {field.name for field in dataclasses.fields(SearchProblem)}
    assert fields == {"train", "validation", "space", "skeleton", "constraints", "latency", "compute"}
