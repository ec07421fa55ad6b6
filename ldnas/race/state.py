"""The state of a race: everything that a resumed race needs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from torch import Tensor

from ldnas.race.cycle import Length
from ldnas.race.standing import Standing
from ldnas.training.train import FitState


@dataclass(frozen=True)
class Cycle:
    """One training cycle of a candidate.

    Attributes:
        rung: its number, from 0.
        passes: over the training images; 0 where only the head was fitted.
        seconds: it took.
        score: on the validation images after it, in [0, 1].
        standard_error: of the score over draws of the images and over cycles.
    """

    rung: int
    passes: float
    seconds: float
    score: float
    standard_error: float


@dataclass(frozen=True, eq=False)
class Progress:
    """A candidate's training so far.

    Attributes:
        pass_seconds: of a pass over the training images: forecast before the first cycle, then measured in the last.
        cycles: the finished ones.
        weights: the network after the last cycle; empty for its first weights.
        best: the network after the cycle with the best score.
        standing: the validation scores of `best`.
        left: the rung after which the candidate left the race; None for one that did not.
    """

    pass_seconds: float
    cycles: tuple[Cycle, ...] = ()
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    best: Mapping[str, Tensor] = field(default_factory=dict)
    standing: Standing | None = None
    left: int | None = None

    @property
    def score(self) -> float:
        """The best score so far, in [0, 1]; -1 before the first cycle."""
        return -1.0 if self.standing is None else self.standing.score

    @property
    def seconds(self) -> float:
        return sum(cycle.seconds for cycle in self.cycles)

    @property
    def passes(self) -> float:
        """Over the training images, in all cycles."""
        return sum(cycle.passes for cycle in self.cycles)

    @property
    def best_passes(self) -> float:
        """The passes up to the end of the cycle that `best` is from."""
        places = [place for place, cycle in enumerate(self.cycles) if cycle.score == self.score]
        return sum(cycle.passes for cycle in self.cycles[: places[-1] + 1]) if places else 0

    def after(self, cycle: Cycle, weights: Mapping[str, Tensor], standing: Standing) -> "Progress":
        """The progress with one more cycle; of equal scores the later one is the best."""
        is_best = self.standing is None or standing.score >= self.standing.score
        return replace(
            self,
            pass_seconds=cycle.seconds / cycle.passes if cycle.passes else self.pass_seconds,
            cycles=(*self.cycles, cycle),
            weights=weights,
            best=weights if is_best else self.best,
            standing=standing if is_best else self.standing,
        )

    def to_dict(self) -> dict[str, Any]:
        """The progress as numbers, texts, tensors and containers of them."""
        standing = None if self.standing is None else vars(self.standing)
        cycles = [asdict(cycle) for cycle in self.cycles]
        return {**vars(self), "cycles": cycles, "standing": standing}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """The progress that `to_dict` gave."""
        standing = None if value["standing"] is None else Standing(**value["standing"])
        cycles = tuple(Cycle(**cycle) for cycle in value["cycles"])
        return cls(**{**value, "cycles": cycles, "standing": standing})


@dataclass(frozen=True, eq=False)
class CycleState:
    """A cycle under way, at the end of an epoch.

    Attributes:
        length: of the whole cycle.
        began: the seconds of the race at its start.
        ends: the seconds of the race at which its training should end.
        fit: the training so far; None before the first epoch.
    """

    length: Length
    began: float
    ends: float
    fit: FitState | None = None

    def to_dict(self) -> dict[str, Any]:
        """The state as numbers, tensors and containers of them; tensors are not copied."""
        return {**vars(self), "length": vars(self.length), "fit": self.fit and vars(self.fit)}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """The state that `to_dict` gave at the end of an epoch."""
        return cls(**{**value, "length": Length(**value["length"]), "fit": FitState(**value["fit"])})


@dataclass(frozen=True, eq=False)
class RaceState:
    """A race between two epochs.

    Attributes:
        seconds: spent so far.
        progress: of each candidate that takes part, by its name, in the order of the candidates.
        racing: the names of those that have not left.
        rung: the number of the current rung.
        place: of the next cycle's candidate in `racing`.
        share: seconds of each cycle in this rung.
        cycle: the cycle under way; None between two cycles.
        outclassed: the names of those that were left out untried, because the leader was too far ahead.
    """

    seconds: float
    progress: Mapping[str, Progress]
    racing: tuple[str, ...]
    rung: int = 0
    place: int = 0
    share: float = 0.0
    cycle: CycleState | None = None
    outclassed: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The state as numbers, texts, tensors and containers of them; tensors are not copied."""
        progress = {name: own.to_dict() for name, own in self.progress.items()}
        cycle = None if self.cycle is None else self.cycle.to_dict()
        return {**vars(self), "progress": progress, "cycle": cycle}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """The state that `to_dict` gave."""
        progress = {name: Progress.from_dict(own) for name, own in value["progress"].items()}
        cycle = None if value["cycle"] is None else CycleState.from_dict(value["cycle"])
        return cls(**{**value, "progress": progress, "cycle": cycle})
