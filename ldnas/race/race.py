"""Runs a race of whole networks: successive halving in which every rung is a complete, annealed training cycle.

Jamieson & Talwalkar, Non-stochastic Best Arm Identification and Hyperparameter Optimization, arXiv:1502.07943. Other
than there, the rungs that choose get three tenths of the remaining seconds each, so that most of them go to the final
training. A candidate keeps its weights from one rung to the next, and the winner's last cycle is its final training.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor, nn

from ldnas.data.part import ENOUGH_IMAGES, part_of_each_class
from ldnas.data.task_data import ImageSet
from ldnas.errors import InvalidSearchError
from ldnas.forecast import seconds_of_epoch
from ldnas.objectives import OBJECTIVES
from ldnas.race.admission import PREPARATION_EPOCHS, RUNG_SHARE, Forecast, admit, rung_share
from ldnas.race.candidate import Candidate
from ldnas.race.cycle import Length
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
"""A rung that chooses does not tune a network for fewer passes after its head was fitted, of at most `ENOUGH_IMAGES`
images: the first steps of the tuning lower the score, and only later ones raise it above that of the head."""


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
        seconds: of the whole race. One candidate always trains for a pass over the images, over `ENOUGH_IMAGES` where
            they are more, or is prepared.
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
        labels: int64 [N] of the validation images that judged the candidates, on the CPU.
        outclassed: the candidates that were left out untried, because the leader was too far ahead.
    """

    finishers: tuple[Finisher, ...]
    passed_over: tuple[Candidate, ...]
    seconds: float
    labels: Tensor
    outclassed: tuple[Candidate, ...] = ()


class _NewLengthError(Exception):
    """The epochs of a cycle are slower or faster than planned; it continues from its state with another length."""

    def __init__(self, state: CycleState) -> None:
        super().__init__(f"the cycle has {state.length.epochs} epochs now")
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
                leaders.append(own.score if own.passes else expected_score(own.score))
        return bool(leaders) and outclasses(max(leaders), others)

    def _passes(self, progress: Progress, seconds: float, candidate: Candidate, *, is_last: bool) -> float:
        """The passes over the images that the seconds suffice for, with the classifications after them."""
        images = self._problem.images(candidate.image_size)
        classified = len(images.validation) + (self._problem.later_images if is_last else 0)
        return seconds / progress.pass_seconds - CLASSIFICATION_SHARE * classified / len(images.train)

    def _enter(self) -> RaceState:
        """Admit the candidates that the seconds suffice for; if they suffice for none, the cheapest one."""
        groups: dict[str, list[Candidate]] = {}
        for candidate in self._candidates.values():
            groups.setdefault(candidate.variant_of or candidate.name, []).append(candidate)
        forecasts = [self._forecasts(members) for members in groups.values()]
        admitted, share = admit(forecasts, self._left)
        progress = {own.candidate.name: Progress(own.pass_seconds) for own in admitted}
        return RaceState(self._spent, progress, tuple(progress), share=share)

    def _forecasts(self, variants: Sequence[Candidate]) -> list[Forecast]:
        """The forecast of each variant, in which a pass takes as long as it has multiply-adds."""
        smallest = variants[-1]
        # Measuring only the smallest spares the larger images, which may never be needed.
        train = self._problem.images(smallest.image_size).train
        seconds = seconds_of_epoch(
            self._network(smallest),
            train,
            smallest.recipe,
            clock=self._problem.clock,
            micro_batches=self._problem.compute.micro_batches,
        )
        return [Forecast(variant, seconds * variant.macs / smallest.macs, len(train)) for variant in variants]

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
        passes = self._train(replace(state, cycle=cycle), candidate, cycle)
        return self._judged(replace(state, cycle=None), candidate, passes, self._spent - cycle.began)

    def _plan(self, state: RaceState, candidate: Candidate) -> CycleState | None:
        """The next cycle of a candidate; None where it would have almost no images."""
        progress, images = state.progress[candidate.name], len(self._problem.images(candidate.image_size).train)
        is_last = len(state.racing) == 1
        prepared = sum(cycle.seconds for cycle in progress.cycles if cycle.rung == state.rung)
        seconds = self._left if is_last else state.share - prepared
        passes = self._passes(progress, seconds, candidate, is_last=is_last)
        is_tuning = not is_last and bool(progress.cycles) and not progress.passes
        enough = min(1.0, ENOUGH_IMAGES / images)
        if progress.cycles and passes < enough * (LEAST_TUNING_PASSES if is_tuning else LEAST_PASSES):
            return None
        length = Length.of(
            passes if progress.cycles else max(enough, passes),
            batches=math.ceil(images / candidate.recipe.batch_size),
        )
        return CycleState(length, self._spent, self._spent + max(0.0, passes) * progress.pass_seconds)

    def _train(self, state: RaceState, candidate: Candidate, cycle: CycleState) -> float:
        """Train the network for a cycle, and return its passes: others than planned where the seconds differ."""
        network, progress = self._network(candidate), state.progress[candidate.name]
        network.load_state_dict({**network.state_dict(), **progress.weights})

        def after_epoch(fitted: FitState) -> None:
            now = replace(cycle, fit=fitted)
            self._on_state(replace(state, seconds=self._spent, cycle=now))
            spent = self._spent - cycle.began
            if spent <= 0.0:  # a coarse clock has not moved yet
                return
            length = cycle.length.after(fitted.epoch, spent, cycle.ends - self._spent)
            if length != cycle.length:
                raise _NewLengthError(replace(now, length=length))

        while True:
            try:
                fit(
                    network,
                    self._problem.images(candidate.image_size).train,
                    config=replace(candidate.recipe, epochs=cycle.length.epochs, minimum_steps=0),
                    seed=derive_seed(self._problem.seed, "race", candidate.name, len(progress.cycles)),
                    parts=cycle.length.parts,
                    state=cycle.fit,
                    on_epoch=after_epoch,
                    micro_batches=self._problem.compute.micro_batches,
                )
            except _NewLengthError as new:
                cycle = new.state
            else:
                return cycle.length.passes

    def _prepare(self, state: RaceState, candidate: Candidate) -> RaceState:
        """Prepare a candidate before its first cycle, which counts as a cycle of no passes.

        It gets as many of the training images as the rung has seconds for, and `ENOUGH_IMAGES` in any case.
        """
        progress = state.progress[candidate.name]
        if candidate.prepare is None or progress.cycles:
            return state
        began, train = self._spent, self._problem.images(candidate.image_size).train
        share = min(state.share, RUNG_SHARE * self._left) / (PREPARATION_EPOCHS * progress.pass_seconds)
        part = part_of_each_class(train, max(ENOUGH_IMAGES, int(share * len(train))), seed=self._problem.seed)
        candidate.prepare(self._network(candidate), part, self._problem.compute)
        return self._judged(state, candidate, 0.0, self._spent - began)

    def _judged(self, state: RaceState, candidate: Candidate, passes: float, seconds: float) -> RaceState:
        network, validation = self._network(candidate), self._problem.images(candidate.image_size).validation
        logits = predict_logits(network, validation, micro_batches=self._problem.compute.micro_batches).float().cpu()
        own = standing(logits, validation.labels.cpu(), objective=self._problem.objective, seed=self._problem.seed)
        weights = {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}
        cycle = Cycle(state.rung, passes, seconds, own.score, own.standard_error)
        progress = state.progress[candidate.name].after(cycle, weights, own)
        self._on_cycle(candidate, progress)
        return replace(state, seconds=self._spent, progress={**state.progress, candidate.name: progress})

    def _next_rung(self, state: RaceState) -> RaceState:
        standings = {name: own.standing for name in state.racing if (own := state.progress[name]).standing is not None}
        stay = survivors(
            standings,
            self._labels,
            objective=self._problem.objective,
            seed=derive_seed(self._problem.seed, state.rung),
            untuned=[name for name in standings if not state.progress[name].passes],
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
        return RaceOutcome(tuple(finishers), passed_over, self._spent, self._labels, outclassed)

    @property
    def _labels(self) -> Tensor:
        """Those of the validation images, which are the same at every size."""
        size = next(iter(self._candidates.values())).image_size
        return self._problem.images(size).validation.labels.cpu()


def _without_the_untried(state: RaceState) -> RaceState:
    tried, untried = state.racing[: state.place], state.racing[state.place :]
    progress = {name: own for name, own in state.progress.items() if name not in untried}
    return replace(state, progress=progress, racing=tried, outclassed=untried)
