"""The contract of every search strategy.

A strategy sees training and validation images only: a `SearchProblem` has no others.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from ldnas.data.task_data import ImageSet
from ldnas.errors import InvalidSearchError
from ldnas.search.results import IterationRecord, ScoredGenotype, SearchEvent, SearchOutcome, ranked
from ldnas.space.skeleton import Skeleton
from ldnas.space.space import SearchSpace

__all__ = [
    "IterationRecord",
    "ScoredGenotype",
    "SearchBudget",
    "SearchEvent",
    "SearchOutcome",
    "SearchProblem",
    "Strategy",
    "ranked",
]


@dataclass(frozen=True, eq=False)
class SearchProblem:
    """What to search, and the data to search it with.

    Attributes:
        train: images for weight steps, uint8 [N, 3, S, S], on the device that computes.
        validation: images that candidates are weighed and scored on, on the same device.
        space: the cells to choose from.
        skeleton: the network that each cell is placed in.

    Raises:
        InvalidSearchError: a set of images is empty or does not fit the skeleton.
    """

    train: ImageSet
    validation: ImageSet
    space: SearchSpace
    skeleton: Skeleton

    def __post_init__(self) -> None:
        for name, images in (("train", self.train), ("validation", self.validation)):
            if len(images) == 0:
                raise InvalidSearchError(f"the search needs at least one {name} image")
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


@dataclass(frozen=True)
class SearchBudget:
    """Where a search ends at the latest; None sets no limit.

    Attributes:
        iterations: iterations of the strategy in all, those before a resumption included.
        seconds: wall-clock seconds in all, likewise. What has begun is finished up to the next round, so that
            the search returns a scored candidate however small the limit.

    Raises:
        InvalidSearchError: a limit is not positive.
    """

    iterations: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.iterations is not None and self.iterations < 1:
            raise InvalidSearchError(
                f"a search has at least one iteration, not {self.iterations}", field="budget.iterations"
            )
        if self.seconds is not None and not self.seconds > 0:
            raise InvalidSearchError(f"a budget is more than 0 seconds, not {self.seconds}", field="budget.seconds")


class Strategy(Protocol):
    """A way to search a space. `tests/contracts/test_strategy_contract.py` holds every one to these guarantees."""

    def search(
        self,
        problem: SearchProblem,
        *,
        budget: SearchBudget,
        seed: int,
        on_event: Callable[[SearchEvent], None],
        state: dict[str, Any] | None,
        on_state: Callable[[dict[str, Any]], None],
    ) -> SearchOutcome:
        """Search until the strategy's own criterion, the budget, or the exhaustion of the space.

        Equal arguments give an equal outcome on one machine, as long as no limit in seconds cuts in.

        Args:
            problem: space and data.
            budget: where to end at the latest.
            seed: decides every draw.
            on_event: called as the search proceeds; what it raises ends the search and reaches the caller.
            state: a value that `on_state` got, through JSON or not, or None to begin. Searching on from it gives
                the outcome that the unbroken search would have had.
            on_state: called at the end of each iteration with a JSON value to resume from.

        Raises:
            InvalidSearchError: `state` belongs to another search (other settings, seed, space or skeleton).
        """
        ...
