"""Runs a race of whole networks: successive halving in which every rung is a complete, annealed training cycle.

Jamieson & Talwalkar, Non-stochastic Best Arm Identification and Hyperparameter Optimization, arXiv:1502.07943. Other
than there, the rungs that choose get three tenths of the remaining seconds each, so that most of them go to the final
training. A candidate keeps its weights from one rung to the next, and the winner's last cycle is its final training.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import nn

from ldnas.data.task_data import ImageSet
from ldnas.errors import InvalidSearchError
from ldnas.forecast import seconds_of_epoch
from ldnas.objectives import OBJECTIVES
from ldnas.race.admission import Forecast, admit, rung_share
from ldnas.race.candidate import Candidate
from ldnas.race.standing import expected_score, outclasses, standing, survivors
from ldnas.race.state import Cycle, CycleState, Progress, RaceState
from ldnas.seeding import derive_seed
from ldnas.training.evaluation import predict_logits
from ldnas.training.micro_batches import Compute
from ldnas.training.train import FitState, fit

CLASSIFICATION_SHARE = 0.35
"""The assumed cost of classifying an image, as a share of a training step with it."""

LEAST_PASSES = 0.25
"""A later cycle of fewer passes over the images is left out: it changes the weights too little to pay for its score."""

LEAST_TUNING_PASSES = 1.0
"""A rung that chooses does not tune a network for fewer passes after its head was fitted: the first steps of the tuning
lower the score, and only later ones raise it above that of the head."""

WHOLE_EPOCHS = 8
"""A cycle of fewer passes over the images uses the rest of its seconds too, by epochs on a part of them."""

MOST_EPOCHS = 100
"""The most epochs of a cycle: small networks on small images gain nothing from more."""


@dataclass(frozen=True, eq=False)
class RaceImages:
    """A task's images at one size, on the device that computes."""

    train: ImageSet
    validation: ImageSet


@dataclass(frozen=True, eq=False)
class RaceProblem:
    """The images, the seconds and the rules of a race.

    Attributes:
        images: the task's images at a size in pixels; asked for more than once.
        seconds: of the whole race. One candidate always trains for an epoch, or is prepared.
        seed: decides every draw.
        objective: scores the candidates on validation images.
        compute: the device of networks and images.
        later_images: so many images will the winner classify after the race; their seconds are reserved.
        clock: counts the seconds.
    """

    images: Callable[[int], RaceImages]
    seconds: float
    seed: int
    objective: str = OBJECTIVES[0]
    compute: Compute = field(default_factory=Compute)
    later_images: int = 0
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True, eq=False)
class Finisher:
    """A candidate that took part, with its best network in eval mode."""

    candidate: Candidate
    progress: Progress
    network: nn.Module


@dataclass(frozen=True, eq=False)
class RaceOutcome:
    """The result of a race.

    Attributes:
        finishers: the candidates that took part, by their scores, of equal ones the smallest first: the winner.
        passed_over: the candidates that the seconds did not suffice for, the cheapest of each variant group.
        seconds: of the whole race.
        outclassed: the candidates that were left out untried, because the leader was too far ahead.
    """

    finishers: tuple[Finisher, ...]
    passed_over: tuple[Candidate, ...]
    seconds: float
    outclassed: tuple[Candidate, ...] = ()


class _SlowerError(Exception):
    """The epochs of a cycle take longer than it was planned for; it continues from its state with fewer of them."""

    def __init__(self, state: CycleState) -> None:
        super().__init__(f"{state.epochs} epochs remain")
        self.state = state


def _ignore(_: object) -> None:
    pass


class Race:
    """A race of `candidates`; those that the seconds do not suffice for are passed over.

    Args:
        on_cycle: called with the candidate and its progress after each of its cycles.
        state: a state that `on_state` received, or None to begin. The resumed race ends as the uninterrupted one would
            have, as long as its cycles get the same epochs.
        on_state: called after each epoch with a state to save at once, since the training changes its tensors; an
            exception from it ends the race and reaches the caller.

    Raises:
        InvalidSearchError: two candidates share a name, there is none, or the state has other candidates.
    """

    def __init__(
        self,
        problem: RaceProblem,
        candidates: Sequence[Candidate],
        *,
        on_cycle: Callable[[Candidate, Progress], None] = lambda candidate, progress: None,
        state: RaceState | None = None,
        on_state: Callable[[RaceState], None] = _ignore,
    ) -> None:
        self._problem = problem
        self._candidates = {candidate.name: candidate for candidate in candidates}
        if not candidates or len(self._candidates) < len(candidates):
            raise InvalidSearchError("a race needs candidates, each with a name of its own", field="candidates")
        if state is not None and not set(state.progress) <= set(self._candidates):
            raise InvalidSearchError("the state belongs to a race of other candidates")
        self._on_cycle = on_cycle
        self._on_state = on_state
        self._began = problem.clock() - (0.0 if state is None else state.seconds)
        self._networks: dict[str, nn.Module] = {}
        self._state = state

    def run(self) -> RaceOutcome:
        """Run the race to its end.

        Raises:
            OutOfMemoryError: memory does not suffice for a network and the fewest images that it can train on.
        """
        state = self._state or self._enter()
        while True:
            while state.place < len(state.racing):
                if self._is_decided(state):
                    state = _without_the_untried(state)
                    break
                state = self._run_cycle(state)
                state = replace(state, place=state.place + 1)
            if len(state.racing) > 1:
                state = self._next_rung(state)
            elif self._has_seconds(state):
                state = replace(state, seconds=self._spent, rung=state.rung + 1, place=0)
            else:
                return self._outcome(state)

    @property
    def _spent(self) -> float:
        return self._problem.clock() - self._began

    @property
    def _left(self) -> float:
        return self._problem.seconds - self._spent

    def _is_decided(self, state: RaceState) -> bool:
        """Whether no candidate that is still untried can be expected to win against a pretrained network."""
        untried = state.racing[state.place :]
        if state.rung or state.cycle is not None or any(self._candidates[name].prepare for name in untried):
            return False
        leaders, others = [], []
        for name in state.racing[: state.place]:
            own = state.progress[name]
            if self._candidates[name].prepare is None:
                others.append(own.score)
            else:
                leaders.append(own.score if own.epochs else expected_score(own.score))
        return bool(leaders) and outclasses(max(leaders), others)

    def _has_seconds(self, state: RaceState) -> bool:
        """Whether the last network left seconds for another pass: the forecast of its last cycle was too long."""
        progress = state.progress[state.racing[0]]
        if progress.cycles[-1].epochs in (0, MOST_EPOCHS):
            return False
        return self._passes(progress, self._left, self._candidates[state.racing[0]], is_last=True) >= 1

    def _passes(self, progress: Progress, seconds: float, candidate: Candidate, *, is_last: bool) -> float:
        """The passes over the images that the seconds suffice for, with the classifications after them."""
        images = self._problem.images(candidate.image_size)
        classified = len(images.validation) + (self._problem.later_images if is_last else 0)
        return seconds / progress.epoch_seconds - CLASSIFICATION_SHARE * classified / len(images.train)

    def _enter(self) -> RaceState:
        """Admit the candidates that the seconds suffice for; if they suffice for none, the cheapest one."""
        groups: dict[str, list[Candidate]] = {}
        for candidate in self._candidates.values():
            groups.setdefault(candidate.variant_of or candidate.name, []).append(candidate)
        forecasts = [self._forecasts(members) for members in groups.values()]
        admitted, share = admit(forecasts, self._left)
        progress = {own.candidate.name: Progress(own.epoch_seconds) for own in admitted}
        return RaceState(self._spent, progress, tuple(progress), share=share)

    def _forecasts(self, variants: Sequence[Candidate]) -> list[Forecast]:
        """The forecast of each variant, in which an epoch takes as long as it has multiply-adds."""
        smallest = variants[-1]
        # Measuring only the smallest spares the larger images, which may never be needed.
        seconds = self._forecast(smallest) / smallest.macs
        return [Forecast(variant, seconds * variant.macs) for variant in variants]

    def _forecast(self, candidate: Candidate) -> float:
        train = self._problem.images(candidate.image_size).train
        return seconds_of_epoch(
            self._network(candidate),
            train,
            candidate.recipe,
            clock=self._problem.clock,
            micro_batches=self._problem.compute.micro_batches,
        )

    def _network(self, candidate: Candidate) -> nn.Module:
        if candidate.name not in self._networks:
            network = candidate.build(derive_seed(self._problem.seed, "race", candidate.name))
            self._networks[candidate.name] = network.to(self._problem.compute.device)
        return self._networks[candidate.name]

    def _run_cycle(self, state: RaceState) -> RaceState:
        """Train the candidate at `state.place` for one cycle; a second cycle of almost no images is left out."""
        name = state.racing[state.place]
        candidate = self._candidates[name]
        if state.cycle is None:
            state = self._prepare(state, candidate)
        if (cycle := state.cycle or self._plan(state, candidate)) is None:
            return state
        epochs = self._train(replace(state, cycle=cycle), candidate, cycle)
        share = cycle.images / len(self._problem.images(candidate.image_size).train)
        return self._judged(replace(state, cycle=None), candidate, epochs, share, self._spent - cycle.began)

    def _plan(self, state: RaceState, candidate: Candidate) -> CycleState | None:
        """The next cycle of a candidate; None where it would have almost no images."""
        progress = state.progress[candidate.name]
        is_last = len(state.racing) == 1
        prepared = sum(cycle.seconds for cycle in progress.cycles if cycle.rung == state.rung)
        seconds = self._left if is_last else state.share - prepared
        passes = self._passes(progress, seconds, candidate, is_last=is_last)
        is_tuning = not is_last and bool(progress.cycles) and not progress.epochs
        if progress.cycles and passes < (LEAST_TUNING_PASSES if is_tuning else LEAST_PASSES):
            return None
        train = self._problem.images(candidate.image_size).train
        epochs, count = _epochs(passes if progress.cycles else max(1.0, passes), len(train))
        return CycleState(epochs, count, self._spent, self._spent + max(0.0, passes) * progress.epoch_seconds)

    def _train(self, state: RaceState, candidate: Candidate, cycle: CycleState) -> int:
        """Train the network for a cycle, and return its epochs: fewer than planned where these take longer."""
        network, progress = self._network(candidate), state.progress[candidate.name]
        network.load_state_dict({**network.state_dict(), **progress.weights})
        seed = derive_seed(self._problem.seed, "race", candidate.name, len(progress.cycles))
        train = _part(self._problem.images(candidate.image_size).train, cycle.images, seed)

        def after_epoch(fitted: FitState) -> None:
            now = replace(cycle, fit=fitted)
            self._on_state(replace(state, seconds=self._spent, cycle=now))
            each = (self._spent - cycle.began) / fitted.epoch
            if each <= 0.0:  # a coarse clock has not moved yet
                return
            affordable = fitted.epoch + max(0, round((cycle.ends - self._spent) / each))
            if affordable < cycle.epochs:
                raise _SlowerError(replace(now, epochs=affordable))

        while True:
            try:
                fit(
                    network,
                    train,
                    config=replace(candidate.recipe, epochs=cycle.epochs, minimum_steps=0),
                    seed=seed,
                    state=cycle.fit,
                    on_epoch=after_epoch,
                    micro_batches=self._problem.compute.micro_batches,
                )
            except _SlowerError as slower:
                cycle = slower.state
            else:
                return cycle.epochs

    def _prepare(self, state: RaceState, candidate: Candidate) -> RaceState:
        """Prepare a candidate before its first cycle, which counts as a cycle of no epochs."""
        if candidate.prepare is None or state.progress[candidate.name].cycles:
            return state
        began, train = self._spent, self._problem.images(candidate.image_size).train
        candidate.prepare(self._network(candidate), train, self._problem.compute)
        return self._judged(state, candidate, 0, 1.0, self._spent - began)

    def _judged(self, state: RaceState, candidate: Candidate, epochs: int, share: float, seconds: float) -> RaceState:
        network, validation = self._network(candidate), self._problem.images(candidate.image_size).validation
        logits = predict_logits(network, validation, micro_batches=self._problem.compute.micro_batches).float().cpu()
        own = standing(logits, validation.labels.cpu(), objective=self._problem.objective, seed=self._problem.seed)
        weights = {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}
        cycle = Cycle(state.rung, epochs, seconds, own.score, own.standard_error, share)
        progress = state.progress[candidate.name].after(cycle, weights, own)
        self._on_cycle(candidate, progress)
        return replace(state, seconds=self._spent, progress={**state.progress, candidate.name: progress})

    def _next_rung(self, state: RaceState) -> RaceState:
        standings = {name: own.standing for name in state.racing if (own := state.progress[name]).standing is not None}
        labels = self._problem.images(self._candidates[state.racing[0]].image_size).validation.labels.cpu()
        stay = survivors(
            standings,
            labels,
            objective=self._problem.objective,
            seed=derive_seed(self._problem.seed, state.rung),
            untuned=[name for name in standings if not state.progress[name].epochs],
        )
        progress = {
            name: replace(own, left=state.rung) if name in set(state.racing) - set(stay) else own
            for name, own in state.progress.items()
        }
        share = rung_share(len(stay), self._left)
        return RaceState(self._spent, progress, stay, rung=state.rung + 1, share=share, outclassed=state.outclassed)

    def _outcome(self, state: RaceState) -> RaceOutcome:
        finishers = []
        for name, progress in state.progress.items():
            network = self._network(self._candidates[name])
            network.load_state_dict(dict(progress.best))
            finishers.append(Finisher(self._candidates[name], progress, network.eval()))
        finishers.sort(key=lambda finisher: (-finisher.progress.score, finisher.candidate.parameters))
        took_part = {own.candidate.variant_of or own.candidate.name for own in finishers}
        outclassed = tuple(self._candidates[name] for name in state.outclassed)
        could = took_part | {own.variant_of or own.name for own in outclassed}
        groups = {own.variant_of or name: own for name, own in self._candidates.items()}  # of each the last member
        passed_over = tuple(own for group, own in groups.items() if group not in could)
        return RaceOutcome(tuple(finishers), passed_over, self._spent, outclassed)


def _without_the_untried(state: RaceState) -> RaceState:
    tried, untried = state.racing[: state.place], state.racing[state.place :]
    progress = {name: own for name, own in state.progress.items() if name not in untried}
    return replace(state, progress=progress, racing=tried, outclassed=untried)


def _epochs(passes: float, images: int) -> tuple[int, int]:
    """The epochs of a cycle of so many passes over the images, and how many of the images each of them takes.

    A cycle of few passes takes one more epoch on fewer images where a part of a pass would remain unused.
    """
    if passes >= WHOLE_EPOCHS:
        return min(int(passes), MOST_EPOCHS), images
    epochs = math.ceil(passes)
    return epochs, math.ceil(images * passes / epochs)


def _part(train: ImageSet, count: int, seed: int) -> ImageSet:
    """So many of the images, drawn at random; all of them in their order."""
    if count >= len(train):
        return train
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(derive_seed(seed, "part")))
    return train.subset(order[:count].to(train.labels.device))
