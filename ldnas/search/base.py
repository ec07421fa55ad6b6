"""The contract of every search strategy.

A strategy sees training and validation images only: a `SearchProblem` has no others.
"""

import random
import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Protocol, Self

from ldnas.data.task_data import ImageSet
from ldnas.errors import InvalidSearchError
from ldnas.search.results import IterationRecord, ScoredGenotype, SearchEvent, SearchOutcome, ranked
from ldnas.space.constraints import UNLIMITED, Constraints
from ldnas.space.feasible_cells import FeasibleCells
from ldnas.space.genotype import Genotype
from ldnas.space.latency_table import LatencyTable
from ldnas.space.skeleton import Skeleton
from ldnas.space.space import SearchSpace
from ldnas.training.micro_batches import Compute

__all__ = [
    "Clock",
    "IterationRecord",
    "ScoredGenotype",
    "SearchBudget",
    "SearchEvent",
    "SearchOutcome",
    "SearchProblem",
    "SearchRun",
    "Strategy",
    "StrategyDefaults",
    "ranked",
]

Clock = Callable[[], float]
"""Seconds since some fixed moment, such as `time.monotonic`."""


@dataclass(frozen=True, eq=False)
class SearchProblem:
    """The space to search, and the data to search it with.

    Attributes:
        train: images for weight steps, uint8 [N, 3, S, S], on the device of `compute`.
        validation: images that candidates are weighed and scored on, on the same device.
        space: the cells to choose from.
        skeleton: the network that each cell is placed in.
        constraints: limits on the networks of the cells; a strategy samples no cells that exceed them.
        latency: predicts the latency that `constraints.max_latency_ms` limits; needed with that limit only.
        compute: the device that the networks run on, and how many images go through them at a time.

    Raises:
        InvalidSearchError: a set of images is empty, lies on another device or does not fit the skeleton, or a limit
            on latency comes without a table for this skeleton and space.
        ImpossibleConstraintError: no cell of the space satisfies the constraints.
    """

    train: ImageSet
    validation: ImageSet
    space: SearchSpace
    skeleton: Skeleton
    constraints: Constraints = UNLIMITED
    latency: LatencyTable | None = None
    compute: Compute = field(default_factory=Compute)

    def __post_init__(self) -> None:
        for name, images in (("train", self.train), ("validation", self.validation)):
            if len(images) == 0:
                raise InvalidSearchError(f"the search needs at least one {name} image")
            if images.images.device.type != self.compute.device.type:
                raise InvalidSearchError(
                    f"{name} images are on {images.images.device}, the networks on {self.compute.device}"
                )
            side = self.skeleton.image_size
            if tuple(images.images.shape[1:]) != (3, side, side):
                raise InvalidSearchError(
                    f"{name} images are {tuple(images.images.shape[1:])}, the skeleton takes (3, {side}, {side})",
                    field="image_size",
                )
            if not 0 <= int(images.labels.min()) <= int(images.labels.max()) < self.skeleton.classes:
                raise InvalidSearchError(
                    f"a {name} label lies outside the skeleton's {self.skeleton.classes} classes", field="labels"
                )
        self._require_latency_table()
        self.constraints.require_possible(self.space, self.skeleton, self.latency)

    @cached_property
    def cells(self) -> FeasibleCells:
        """The cells to choose from: those of the space that satisfy the constraints."""
        return FeasibleCells(self.space, self.skeleton, self.constraints, self.latency)

    @property
    def size(self) -> int:
        """The number of cells to choose from."""
        return self.cells.size

    def admits(self, genotype: Genotype) -> bool:
        """Whether the cell lies in the space and its network satisfies the constraints."""
        return self.cells.contains(genotype)

    def sample(self, rng: random.Random) -> Genotype:
        """One of the cells to choose from, uniformly."""
        return self.cells.sample(rng)

    def sample_distinct(
        self, rng: random.Random, count: int, *, exclude: Collection[Genotype] = frozenset()
    ) -> tuple[Genotype, ...]:
        """`count` different cells to choose from, none of them in `exclude`, uniformly; fewer if not so many exist."""
        return self.cells.sample_distinct(rng, count, exclude=exclude)

    def _require_latency_table(self) -> None:
        if self.constraints.max_latency_ms is None:
            return
        table = self.latency
        if table is None or table.skeleton != self.skeleton or not set(self.space.primitives) <= set(table.stage_ms):
            raise InvalidSearchError(
                "a limit on latency needs a latency table of the skeleton and of every primitive of the space",
                field="constraints.max_latency_ms",
            )


@dataclass(frozen=True)
class SearchBudget:
    """Where a search ends at the latest; None sets no limit.

    Attributes:
        iterations: iterations of the strategy in all, those before a resumption included.
        seconds: wall-clock seconds in all, likewise. A round that has begun is finished, so that the search returns a
            scored candidate however small the limit.
        patience: iterations without a new incumbent, for strategies without a schedule of their own
            (`Strategy.max_iterations` is None): where weights are shared, scores change after a genotype was seen.

    Raises:
        InvalidSearchError: a limit is not positive.
    """

    iterations: int | None = None
    seconds: float | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        if self.iterations is not None and self.iterations < 1:
            raise InvalidSearchError(
                f"a search has at least one iteration, not {self.iterations}", field="budget.iterations"
            )
        if self.seconds is not None and not self.seconds > 0:
            raise InvalidSearchError(f"a budget is more than 0 seconds, not {self.seconds}", field="budget.seconds")
        if self.patience is not None and self.patience < 1:
            raise InvalidSearchError(
                f"patience is at least one iteration, not {self.patience}", field="budget.patience"
            )


def _ignore(_: Any) -> None:
    pass


@dataclass(frozen=True, eq=False)
class SearchRun:
    """One search: its problem, its limits, and the receivers of its reports.

    Attributes:
        problem: space and data.
        budget: where to end at the latest.
        seed: decides every draw.
        on_event: called as the search proceeds; an exception from it ends the search and reaches the caller.
        state: a value that `on_state` received, through JSON or not, or None to begin. A resumed search gives the
            outcome that the uninterrupted search would have had.
        on_state: called at the end of each iteration with a JSON value to resume from.
        clock: counts the seconds of the budget.
    """

    problem: SearchProblem
    budget: SearchBudget
    seed: int
    on_event: Callable[[SearchEvent], None] = _ignore
    state: dict[str, Any] | None = None
    on_state: Callable[[dict[str, Any]], None] = _ignore
    clock: Clock = time.monotonic


class Strategy(Protocol):
    """A way to search a space. `tests/contracts/test_strategy_contract.py` holds every one to these guarantees."""

    @property
    def config(self) -> Any:
        """The strategy's settings: a frozen dataclass."""
        ...

    @property
    def warm_up(self) -> int:
        """Iterations at the start that train weights alone: they choose nothing, and take other seconds than the rest.

        Until they are over, the incumbent is a cell drawn at random.
        """
        ...

    @property
    def max_iterations(self) -> int | None:
        """The iterations of the strategy's own schedule, after which it ends; None without a schedule."""
        ...

    @property
    def cost_factor(self) -> float:
        """The mean seconds of an iteration as a fraction of those of an iteration of `steady`, in (0, 1]."""
        ...

    def steady(self) -> Self:
        """The strategy whose iterations all cost the same: without a warm-up, with all candidates to the last round.

        A forecast times an iteration of it.
        """
        ...

    def settings(self, patience: int | None) -> dict[str, Any]:
        """All settings, as content keys hash them; with the patience of the budget where that can end the search."""
        ...

    def search(self, run: SearchRun) -> SearchOutcome:
        """Search until the strategy's own criterion, the budget, or the exhaustion of the space.

        Equal arguments give an equal outcome on one machine, as long as no limit in seconds cuts in.

        Raises:
            InvalidSearchError: `run.state` belongs to another search (other settings, seed, space, …).
            OutOfMemoryError: memory does not suffice for a network and the fewest images that it can train on.
        """
        ...


class StrategyDefaults:
    """The members of a `Strategy` without warm-up or schedule, whose iterations all cost the same.

    Attributes:
        name: part of the identity of its searches.
    """

    name: ClassVar[str]
    config: Any

    @property
    def warm_up(self) -> int:
        return 0

    @property
    def max_iterations(self) -> int | None:
        return None

    @property
    def cost_factor(self) -> float:
        return 1.0

    def steady(self) -> Self:
        return self

    def settings(self, patience: int | None) -> dict[str, Any]:
        return asdict(self.config)
