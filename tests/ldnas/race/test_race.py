"""The race over candidates that a fake clock makes cheap or dear, on images that can be learnt."""

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from ldnas.data.task_data import ImageSet
from ldnas.errors import InvalidSearchError
from ldnas.networks.design import PlainDesign
from ldnas.race.candidate import Candidate
from ldnas.race.race import Race, RaceImages, RaceOutcome, RaceProblem
from ldnas.race.state import RaceState
from ldnas.training.train import TrainConfig, fit

SIZE, CLASSES, IMAGES = 8, 3, 48
SECONDS = 1 / 128
"""Of an image in training; a power of two, so that sums of them have no rounding."""


class Clock:
    """Seconds that pass only while a network trains."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def __deepcopy__(self, memo: object) -> "Clock":
        return self  # a copy of a network takes the same seconds


class Net(nn.Module):
    """A small network that takes `seconds` of the clock for each image of a training step."""

    def __init__(self, clock: Clock, seconds: float, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
        )
        self.head = nn.Linear(4 * width, CLASSES)
        self._clock, self._seconds = clock, seconds

    def forward(self, inputs: Tensor) -> Tensor:
        if self.training:
            self._clock.now += self._seconds * len(inputs)
        logits: Tensor = self.head(self.layers(inputs))
        return logits


def images() -> RaceImages:
    """Each class has a bright square in a corner of its own."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(IMAGES) % CLASSES
    pixels = torch.randint(0, 120, (IMAGES, 3, SIZE, SIZE), generator=generator)
    for place, label in enumerate(labels.tolist()):
        top, left = divmod(label, 2)
        pixels[place, :, 4 * top : 4 * top + 4, 4 * left : 4 * left + 4] += 90
    whole = ImageSet(pixels.to(torch.uint8), labels)
    return RaceImages(whole.subset(torch.arange(24)), whole.subset(torch.arange(24, IMAGES)))


def candidate(clock: Clock, name: str, *, seconds: float = SECONDS, rate: float = 0.01, width: int = 8) -> Candidate:
    def build(seed: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return Net(clock, seconds, width)

    design = PlainDesign(width, SIZE, CLASSES)
    return Candidate(name, design, build, TrainConfig(batch_size=8, learning_rate=rate), parameters=1, macs=1)


def problem(clock: Clock, seconds: float) -> RaceProblem:
    own = images()
    return RaceProblem(lambda size: own, seconds, seed=0, clock=clock)


def field_of(clock: Clock) -> list[Candidate]:
    """One that learns, one that hardly does, and one in between."""
    return [
        candidate(clock, "slow learner", rate=1e-6),
        candidate(clock, "learner", rate=2e-2),
        candidate(clock, "other", rate=1e-3),
    ]


def weights_of(outcome: RaceOutcome) -> dict[str, Tensor]:
    return outcome.finishers[0].network.state_dict()


def test_the_one_that_learns_wins_and_gets_most_of_the_seconds() -> None:
    clock = Clock()
    outcome = Race(problem(clock, 30.0), field_of(clock)).run()
    winner, *others = outcome.finishers
    assert winner.candidate.name == "learner"
    assert winner.progress.left is None
    assert [own.progress.left for own in others] == [0, 1] or [own.progress.left for own in others] == [1, 0]
    assert winner.progress.seconds > 0.5 * outcome.seconds
    assert not winner.network.training
    assert winner.progress.score == max(cycle.score for cycle in winner.progress.cycles)


def test_it_keeps_its_seconds_to_within_an_epoch() -> None:
    clock = Clock()
    outcome = Race(problem(clock, 20.0), field_of(clock)).run()
    epoch = 24 * SECONDS
    assert 20.0 - 2 * epoch < outcome.seconds <= 20.0 + epoch
    assert clock.now == pytest.approx(outcome.seconds)


def test_dear_candidates_do_not_take_part() -> None:
    clock = Clock()
    dear = candidate(clock, "dear", seconds=0.125)
    outcome = Race(problem(clock, 30.0), [candidate(clock, "first"), dear, candidate(clock, "last")]).run()
    assert {own.candidate.name for own in outcome.finishers} == {"first", "last"}
    assert [own.name for own in outcome.passed_over] == ["dear"]


def test_of_the_variants_the_first_that_the_seconds_suffice_for_takes_part() -> None:
    def variants(clock: Clock) -> list[Candidate]:
        # The smallest is measured; the others are assumed to take as much longer as they have more multiply-adds.
        return [
            replace(candidate(clock, name, seconds=macs * SECONDS), macs=macs, variant_of="sizes")
            for name, macs in (("large", 64), ("middle", 4), ("small", 1))
        ]

    def taking_part(seconds: float) -> set[str]:
        clock = Clock()
        outcome = Race(problem(clock, seconds), [*variants(clock), candidate(clock, "other")]).run()
        assert not outcome.passed_over
        return {own.candidate.name for own in outcome.finishers}

    epoch = 24 * SECONDS
    # A first cycle has two epochs, and each of two candidates gets .15 of the seconds that the forecasts left.
    assert taking_part(epoch * 80) == {"middle", "other"}
    assert taking_part(epoch * 40) == {"small", "other"}
    assert taking_part(epoch * 1200) == {"large", "other"}


def test_the_first_candidate_takes_part_even_alone() -> None:
    clock = Clock()
    # Two epochs of 3 s suffice alone, but not next to another one.
    dear = candidate(clock, "dear", seconds=3 / 24)
    outcome = Race(problem(clock, 26.0), [dear, candidate(clock, "b"), candidate(clock, "c")]).run()
    assert [own.candidate.name for own in outcome.finishers] == ["dear"]
    assert [own.name for own in outcome.passed_over] == ["b", "c"]


def test_two_candidates_are_compared_where_half_of_the_seconds_suffice_for_it() -> None:
    clock = Clock()
    # Two epochs of 3 s are more than .15 of the seconds that the forecasts leave, and less than .25 of them.
    dear = candidate(clock, "dear", seconds=3 / 24)
    outcome = Race(problem(clock, 36.0), [dear, candidate(clock, "b"), candidate(clock, "c")]).run()
    assert {own.candidate.name for own in outcome.finishers} == {"dear", "b"}
    assert [own.name for own in outcome.passed_over] == ["c"]
    first = {own.candidate.name: own.progress.cycles[0].passes for own in outcome.finishers}
    assert first["dear"] >= 2


def test_a_candidate_that_needs_more_epochs_than_it_could_get_is_passed_over() -> None:
    clock = Clock()
    patient = replace(candidate(clock, "patient"), least_epochs=1000)
    outcome = Race(problem(clock, 30.0), [patient, candidate(clock, "other")]).run()
    assert [own.name for own in outcome.passed_over] == ["patient"]


def test_the_cheapest_candidate_trains_for_an_epoch_however_few_the_seconds() -> None:
    clock = Clock()
    dear = candidate(clock, "dear", seconds=1.0)
    outcome = Race(problem(clock, 0.001), [dear, *field_of(clock)]).run()
    assert [own.progress.passes for own in outcome.finishers] == [1]
    assert outcome.passed_over[0].name == "dear"


def test_a_cycle_has_fewer_epochs_on_a_machine_that_became_slower() -> None:
    class Slower(Clock):
        """After ten seconds everything takes ten times as long."""

        def __call__(self) -> float:
            return self.now if self.now < 10.0 else 10.0 + 10 * (self.now - 10.0)

    clock = Slower()
    outcome = Race(problem(clock, 20.0), [candidate(clock, "only", rate=1e-2)]).run()
    (cycle,) = outcome.finishers[0].progress.cycles
    epoch = 24 * SECONDS
    # Ten seconds of fast epochs, and ten of slow ones; the last one may begin before the end, and last beyond it.
    assert 20.0 - 10 * epoch < outcome.seconds <= 20.0 + 10 * epoch
    assert abs(cycle.passes - (10 / epoch + 10 / (10 * epoch))) <= 3
    assert not outcome.finishers[0].network.training


def test_a_cycle_gets_the_seconds_that_a_forecast_kept_too_long() -> None:
    class Faster(Clock):
        """During the forecast, whose four batches take .25 seconds, everything takes four times as long."""

        def __call__(self) -> float:
            return 4 * self.now if self.now < 0.26 else 1.04 + (self.now - 0.26)

    clock = Faster()
    outcome = Race(problem(clock, 6.0), [candidate(clock, "only", rate=1e-2)]).run()
    # 5 seconds at .75 for a pass would be 6.32 passes; one takes a quarter of that.
    (cycle,) = outcome.finishers[0].progress.cycles
    assert cycle.passes == pytest.approx(4 * 6.32, rel=0.1)
    assert 6.0 - 2 * 24 * SECONDS < outcome.seconds <= 6.0 + 24 * SECONDS


def test_a_cycle_of_few_passes_ends_within_a_part_of_one() -> None:
    clock = Clock()
    # Of batches of two images a pass has twelve, so an epoch is a third of a pass.
    own = replace(candidate(clock, "only", seconds=1 / 12), recipe=TrainConfig(batch_size=2))
    outcome = Race(problem(clock, 7.3), [own]).run()
    third = 8 / 12
    assert 7.3 - third <= outcome.seconds <= 7.3 + third / 2


def test_a_race_resumes_from_every_state_to_the_same_outcome() -> None:
    clock, states = Clock(), list[RaceState]()

    def save(state: RaceState) -> None:
        states.append(copy.deepcopy(state))  # the training changes its tensors afterwards

    whole = Race(problem(clock, 12.0), field_of(clock), on_state=save).run()
    for state in states[:: max(1, len(states) // 12)]:
        clock = Clock()
        resumed = Race(problem(clock, 12.0), field_of(clock), state=state).run()
        assert [own.progress.cycles for own in resumed.finishers] == [own.progress.cycles for own in whole.finishers]
        for name, tensor in weights_of(whole).items():
            assert torch.equal(weights_of(resumed)[name], tensor)


def test_an_exception_from_a_report_ends_the_race() -> None:
    class CancelledError(Exception):
        pass

    def cancel(state: RaceState) -> None:
        raise CancelledError

    clock = Clock()
    with pytest.raises(CancelledError):
        Race(problem(clock, 12.0), field_of(clock), on_state=cancel).run()


def prepared(clock: Clock, calls: list[int]) -> list[Candidate]:
    """A candidate that is prepared in a second and a half, and another one."""

    def prepare(network: nn.Module, train: ImageSet, compute: object) -> None:
        calls.append(len(train))
        clock.now += 1.5
        assert isinstance(network, Net)
        with torch.no_grad():
            network.head.bias.add_(1.0)

    return [replace(candidate(clock, "prepared"), prepare=prepare), candidate(clock, "other")]


def test_a_network_is_prepared_once_and_that_counts_as_a_cycle() -> None:
    clock, calls = Clock(), list[int]()
    outcome = Race(problem(clock, 12.0), prepared(clock, calls)).run()
    (found,) = (each for each in outcome.finishers if each.candidate.name == "prepared")
    assert calls == [24]
    assert (found.progress.cycles[0].passes, found.progress.cycles[0].seconds) == (0, 1.5)


def fitted(clock: Clock, name: str) -> Candidate:
    """A candidate whose preparation gives it the weights of a long training."""

    def prepare(network: nn.Module, train: ImageSet, compute: object) -> None:
        fit(network, train, config=TrainConfig(epochs=40, batch_size=8, learning_rate=0.02), seed=0)
        clock.now = 0.0

    return replace(candidate(clock, name), prepare=prepare)


def blind(clock: Clock, name: str) -> Candidate:
    """A candidate that learns nothing."""
    return candidate(clock, name, rate=1e-9)


def test_where_a_fitted_network_is_far_ahead_the_others_are_not_tried() -> None:
    clock = Clock()
    field = [fitted(clock, "fitted"), blind(clock, "tried"), blind(clock, "untried"), blind(clock, "untried too")]
    outcome = Race(problem(clock, 40.0), field).run()
    assert [own.candidate.name for own in outcome.finishers] == ["fitted", "tried"]
    assert [own.name for own in outcome.outclassed] == ["untried", "untried too"]
    assert not outcome.passed_over


def test_where_a_fitted_network_is_behind_all_are_tried() -> None:
    clock = Clock()
    field = [*prepared(clock, []), candidate(clock, "third")]
    outcome = Race(problem(clock, 40.0), field).run()
    assert {own.candidate.name for own in outcome.finishers} == {"prepared", "other", "third"}
    assert not outcome.outclassed


def test_a_resumed_race_prepares_no_network_again() -> None:
    clock, states = Clock(), list[RaceState]()

    def save(state: RaceState) -> None:
        states.append(copy.deepcopy(state))

    whole = Race(problem(clock, 12.0), prepared(clock, []), on_state=save).run()
    clock, calls = Clock(), list[int]()
    resumed = Race(problem(clock, 12.0), prepared(clock, calls), state=states[1]).run()
    assert not calls
    assert [own.progress.cycles for own in resumed.finishers] == [own.progress.cycles for own in whole.finishers]


@pytest.mark.parametrize(
    ("names", "make"),
    [([], lambda clock: []), (["twice"], lambda clock: [candidate(clock, "a"), candidate(clock, "a")])],
)
def test_candidates_without_names_of_their_own_are_refused(
    names: list[str], make: Callable[[Clock], list[Candidate]]
) -> None:
    clock = Clock()
    with pytest.raises(InvalidSearchError, match="a name of its own"):
        Race(problem(clock, 1.0), make(clock))
