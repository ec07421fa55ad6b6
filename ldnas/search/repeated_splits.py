"""Runs any strategy over repeated splits of little data, so that no choice overfits a few validation images."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from ldnas.data.search_split import search_splits
from ldnas.errors import InvalidSearchError
from ldnas.objectives import OBJECTIVES, require_objective
from ldnas.search.base import SearchBudget, SearchProblem, SearchRun, Strategy
from ldnas.search.finalists import Finalist, compare, leader
from ldnas.search.progress import Iteration, SearchProgress, run_iterations, search_key
from ldnas.search.results import IterationRecord, ScoredGenotype, SearchEvent, SearchOutcome
from ldnas.seeding import derive_seed
from ldnas.space.genotype import Genotype
from ldnas.training.train import TrainConfig

_NO_TIME = 1e-9
_LARGEST_BATCH = 64


@dataclass(frozen=True)
class OverSplitsConfig:
    """How winners of the splits are compared.

    Attributes:
        repetitions: splits.
        objective: the score that compares winners; see `ldnas.objectives`.
        steps: weight steps of each training for the comparison, at least; it runs whole epochs.
        batch_size: training images per step, at least; with more images it grows, up to 64, so that an epoch has
            `steps` steps.

    Raises:
        InvalidSearchError: fewer than two splits, or a number that is not positive.
        UnknownObjectiveError: no objective of that name.
    """

    repetitions: int = 3
    objective: str = OBJECTIVES[0]
    steps: int = 40
    batch_size: int = 16

    def __post_init__(self) -> None:
        require_objective(self.objective)
        if self.repetitions < 2:
            raise InvalidSearchError("a search over splits has at least two of them", field="search.repetitions")
        if self.steps < 1 or self.batch_size < 1:
            raise InvalidSearchError("steps and batch_size are more than 0", field="search.steps")

    def training(self, images: int) -> TrainConfig:
        """The short training of a comparison on `images` training images; classes weigh as in the final training."""
        return TrainConfig(
            epochs=1,
            minimum_steps=self.steps,
            batch_size=max(self.batch_size, min(_LARGEST_BATCH, images // self.steps)),
            class_weighting=0.0 if self.objective == "accuracy" else 1.0,
        )


@dataclass(frozen=True)
class _Carried:
    """The state between two iterations: the state of each split's own search, and all finalists in their order."""

    searches: tuple[dict[str, Any] | None, ...]
    finalists: tuple[Finalist, ...] = ()

    @classmethod
    def of(cls, progress: SearchProgress, repetitions: int) -> Self:
        if progress.carried is None:
            return cls((None,) * repetitions)
        finalists = tuple(Finalist.from_json(value) for value in progress.carried["finalists"])
        return cls(tuple(progress.carried["searches"]), finalists)

    def to_json(self) -> dict[str, Any]:
        return {"searches": list(self.searches), "finalists": [finalist.to_json() for finalist in self.finalists]}


@dataclass
class _Listener:
    """Receives the events and the state of one iteration of a split's search, for the search over all splits."""

    iteration: int
    incumbent: Genotype | None
    on_event: Callable[[SearchEvent], None]
    state: dict[str, Any] | None = field(default=None)

    def hear(self, event: SearchEvent) -> None:
        if event.kind != "iteration":  # the iteration ends with the comparison, not before
            self.on_event(replace(event, iteration=self.iteration, incumbent=self.incumbent))

    def save(self, state: dict[str, Any]) -> None:
        self.state = state


@dataclass(frozen=True)
class OverSplits:
    """The strategy in `strategy`, on each of several splits in turn."""

    strategy: Strategy
    config: OverSplitsConfig = OverSplitsConfig()

    @property
    def warm_up(self) -> int:
        return self.config.repetitions * self.strategy.warm_up

    @property
    def max_iterations(self) -> int | None:
        own = self.strategy.max_iterations
        return None if own is None else self.config.repetitions * own

    @property
    def cost_factor(self) -> float:
        return self.strategy.cost_factor

    def steady(self) -> Self:
        return replace(self, strategy=self.strategy.steady())

    def settings(self, patience: int | None) -> dict[str, Any]:
        return {**asdict(self.config), "strategy": self.strategy.settings(patience)}

    def search(self, run: SearchRun) -> SearchOutcome:
        """Iteration i is the next one of the search on split i mod R; see `Strategy.search`.

        Each split has its own search, which ends by its own criterion; all searches share the budget. A genotype that
        leads a split for the first time becomes a finalist. From the second finalist on, each one is trained from
        scratch on every split for `OverSplitsConfig.steps` steps, all from the same seeds. The incumbent is the
        finalist with the best mean score over all splits, the first of equals. So a search may end after any iteration:
        with fewer iterations than splits, the remaining splits propose no finalist, but still take part in the
        comparison.

        A finalist costs R short trainings within its iteration and so within the budget. If the time ends earlier, it
        is not compared and cannot win. If the validation images are enough (`is_enough`), they are not split again, and
        this is the strategy itself.
        """
        problem, budget = run.problem, run.budget
        splits = search_splits(problem.train, problem.validation, seed=run.seed, repetitions=self.config.repetitions)
        if len(splits) == 1:
            return self.strategy.search(run)
        problems = [replace(problem, train=split.train, validation=split.validation) for split in splits]
        began = run.clock() - (run.state or {}).get("seconds", 0.0)

        def left() -> float | None:
            # Never 0: a search with no time left still finishes a first round.
            return None if budget.seconds is None else max(_NO_TIME, budget.seconds - (run.clock() - began))

        def iterate(progress: SearchProgress, expired: Callable[[], bool]) -> Iteration | None:
            return self._iterate(run, problems, progress, left, expired)

        name = f"{type(self.strategy).__name__} over splits"
        key = search_key(name, self.settings(budget.patience), problem, run.seed)
        return run_iterations(iterate, run, key=key, scores_last=False)

    def _iterate(
        self,
        run: SearchRun,
        problems: Sequence[SearchProblem],
        progress: SearchProgress,
        left: Callable[[], float | None],
        expired: Callable[[], bool],
    ) -> Iteration | None:
        """Run one iteration on the next split whose search is not over; None if all are over."""
        number, carried = len(progress.history), _Carried.of(progress, len(problems))
        for turn in range(len(problems)):
            split = (number + turn) % len(problems)
            listener = _Listener(number, progress.incumbent, run.on_event)
            own_run = replace(run, problem=problems[split], seed=derive_seed(run.seed, "search", split))
            found = self._step(own_run, carried.searches[split], listener, left())
            if listener.state is not None:
                break
        else:
            return None
        searches = (*carried.searches[:split], listener.state, *carried.searches[split + 1 :])
        finalists = carried.finalists
        if found.best not in {finalist.genotype for finalist in finalists}:
            finalists = (*finalists, Finalist(found.best))
        own = found.history[-1]
        finalists, compared = compare(
            finalists,
            problems,
            objective=self.config.objective,
            training=self.config.training(len(problems[0].train)),
            seed=derive_seed(run.seed, "comparison"),
            on_score=lambda place, scored: listener.hear(_comparison_event(own.rounds + place, scored)),
            expired=expired,
        )
        record = _record(own, number, leader(finalists), progress.incumbent)
        scores = {score.genotype: score for score in found.scored}
        return Iteration(
            record,
            tuple(scores[genotype] for genotype in record.genotypes),
            _Carried(searches, finalists).to_json(),
            compared,
        )

    def _step(
        self, run: SearchRun, begun: dict[str, Any] | None, listener: _Listener, seconds: float | None
    ) -> SearchOutcome:
        """Run one more iteration of one split's search, unless it is over: then the listener gets no state."""
        done = len(begun["history"]) if begun is not None else 0
        return self.strategy.search(
            replace(
                run,
                budget=SearchBudget(done + 1, seconds, run.budget.patience),
                on_event=listener.hear,
                # `seconds` are those of this iteration: the whole search has already checked that it fits.
                state={**begun, "seconds": 0.0} if begun is not None else None,
                on_state=listener.save,
            )
        )


def _record(record: IterationRecord, number: int, incumbent: Genotype, before: Genotype | None) -> IterationRecord:
    """Turn a split's own record into a record of the whole search."""
    return replace(record, iteration=number, incumbent=incumbent, new_incumbent=incumbent != before)


def _comparison_event(number: int, scored: ScoredGenotype) -> SearchEvent:
    """Report a comparison as one more round of an iteration; the listener fills in the iteration."""
    return SearchEvent("round", 0, number, (scored.genotype,), (), (scored.validation_accuracy,), None)
