"""distance: the column of distances from every comparable baseline to the target."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import permutations
from typing import Any

from ldnas.distance.economy import OVERHEAD_IMAGES, Step, plan_steps, recipe_within
from ldnas.distance.halving import Rung, plan_rungs, survivors, work
from ldnas.distance.log_det import jackknife_error
from ldnas.distance.measures import Distance, measure
from ldnas.distance.observation import Observation, observe
from ldnas.distance.ranking import Ranking, Spread, rank
from ldnas.distance.stopping import TOLERANCE, probability_unchanged
from ldnas.distance.uncertainty import Certainty, estimate_column
from ldnas.errors import DivergedNetworkError
from ldnas.recipe import STANDING_MEASURES, Recipe, default_recipe
from worker.jobs.context import JobContext
from worker.jobs.memo import Codec
from worker.jobs.stages.baselines import Baseline
from worker.jobs.stages.fit import FittedNetwork, load_task_network
from worker.jobs.stages.observations import Observations
from worker.jobs.stages.resolve import ResolvedTask
from worker.registry import NetworkRow

RECIPE: Codec[Recipe] = Codec(Recipe.to_json, lambda value: Recipe(**value))
_RECIPE_NAME = "distance.recipe"
_STOPPED_NAME = "distance.stopped"


@dataclass(frozen=True)
class Source:
    """One baseline in the column: its distances by measure, from `samples` images in each repetition.

    `finalist` is False if a round of halving eliminated it: then it has only the ranking measure.
    """

    spreads: Mapping[str, Spread]
    samples: int
    finalist: bool


@dataclass(frozen=True)
class Decided:
    """Why a column was measured on fewer images: with all of them the verdict would probably be the same."""

    samples: int
    of: int
    probability: float


@dataclass(frozen=True)
class Column:
    """Distances to one target by one recipe: of each source, of the target from itself, and of untrained networks.

    `recipe` has fewer images than the job's where the column was `decided` by these; None where all were needed.
    """

    recipe: Recipe
    sources: Mapping[str, Source]
    certainties: Mapping[str, Mapping[str, Certainty]]
    itself: Mapping[str, Spread | None]
    untrained: Mapping[str, Spread]
    decided: Decided | None = None

    def spreads(self, name: str) -> dict[str, Spread]:
        """The finalists' distances by the measure of that name."""
        return {key: source.spreads[name] for key, source in self.sources.items() if source.finalist}

    def ranking(self, name: str) -> Ranking:
        """The ranking by that measure, with its certainty; eliminated sources come last, the latest one first."""
        ranking = rank(self.spreads(name), self.certainties[name], untrained=self.untrained[name])
        behind = {key: source for key, source in self.sources.items() if not source.finalist}
        order = sorted(behind, key=lambda key: (-behind[key].samples, behind[key].spreads[name].mean, key))
        return Ranking(ranking.verdict, ranking.order + tuple(order), ranking.closest)


def measure_column(
    context: JobContext,
    target: ResolvedTask,
    fitted: Sequence[FittedNetwork],
    baselines: Sequence[Baseline],
    *,
    ranking_measure: str,
    measures: Sequence[str] = STANDING_MEASURES,
    exhaustive: bool = False,
    seconds: float | None = None,
) -> Column:
    """Compute and store every missing distance to `target`, and report each one as an event.

    Many baselines are halved by `ranking_measure`, and images are added until its verdict is decided, unless
    `exhaustive`.
    With `seconds`, a target's images are fewer where the recipe's number of them would take longer.
    """
    names = list(dict.fromkeys((ranking_measure, *measures)))
    own = [item.network for item in fitted]
    recipe = default_recipe(target.architecture)
    if seconds is not None:
        recipe = context.once(_RECIPE_NAME, lambda: _affordable(context, target, own, len(baselines), seconds), RECIPE)
    column = _ColumnWork(context, target, own, names, recipe)
    rungs = () if exhaustive else plan_rungs(len(baselines), len(fitted), recipe, images=len(target.proxy.train))
    return column.run(baselines, rungs, grow=not exhaustive)


def recipe_of_job(context: JobContext, architecture: str) -> Recipe:
    """The recipe that the job's distances were measured by."""
    if _STOPPED_NAME in context.memo:
        return context.memo.stored(_STOPPED_NAME, RECIPE)
    return context.memo.stored(_RECIPE_NAME, RECIPE) if _RECIPE_NAME in context.memo else default_recipe(architecture)


def _affordable(
    context: JobContext, target: ResolvedTask, own: Sequence[NetworkRow], sources: int, seconds: float
) -> Recipe:
    """The recipe with as many images as the seconds suffice for."""
    network = load_task_network(context, own[0])

    def seconds_of(recipe: Recipe) -> float:
        def look() -> None:
            observe(
                network,
                target.proxy.train,
                classes=target.classes,
                recipe=recipe,
                micro_batches=context.compute.micro_batches,
            )

        look()  # the first look prepares kernels and memory, which later ones find
        began = context.clock()
        look()
        return context.clock() - began

    images = len(target.proxy.train)

    def work_of(recipe: Recipe) -> int:
        """The images of all observations: of the sources in every round, of the target, and of untrained networks."""
        samples = min(recipe.samples, images)
        rungs = plan_rungs(sources, len(own), recipe, images=images)
        of_sources = work(rungs, sources, len(own), samples, overhead=OVERHEAD_IMAGES)
        return of_sources + 2 * len(own) * (samples + OVERHEAD_IMAGES)

    return recipe_within(
        default_recipe(target.architecture), images=images, work_of=work_of, seconds=seconds, seconds_of=seconds_of
    )


@dataclass(frozen=True)
class _Look:
    """Every source on the same images: its distances by measure, and the observations that they share."""

    recipe: Recipe
    own: Sequence[Observation]
    untrained: Sequence[Observation]
    distances: dict[str, dict[str, list[Distance]]]

    def by(self, name: str) -> dict[str, list[Distance]]:
        """The distances of each source by one measure."""
        return {key: measured[name] for key, measured in self.distances.items()}


class _ColumnWork:
    def __init__(
        self,
        context: JobContext,
        target: ResolvedTask,
        own: Sequence[NetworkRow],
        names: Sequence[str],
        recipe: Recipe,
    ) -> None:
        self.recipe = recipe
        self._context = context
        self._images = len(target.proxy.train)
        self._own = own
        self._names = names
        with_diagonals = any(measure(name).needs_diagonal for name in names)
        self._observations = Observations(context, target, self.recipe, with_diagonals=with_diagonals)

    def run(self, baselines: Sequence[Baseline], rungs: Sequence[Rung], *, grow: bool) -> Column:
        left = {baseline.id: baseline for baseline in baselines}
        self._observations.expected = self._count(len(left), rungs)
        sources: dict[str, Source] = {}
        for rung in rungs:
            left, behind = self._halve(left, rung)
            sources |= behind
        look, decided = self._grow(left) if grow else (None, None)
        if look is None or decided is None:
            known = left if look is None else {key: left[key] for key in look.distances}
            look = self._look(known, self.recipe, None, keep=True)
        else:
            for key in look.distances:
                self._keep(left[key], look, key)
        for key, measured in look.distances.items():
            spreads = {name: Spread.of(distances) for name, distances in measured.items()}
            sources[key] = Source(spreads, self._samples(look.recipe), finalist=True)
        return Column(
            recipe=look.recipe,
            sources=sources,
            certainties={name: estimate_column(look.by(name), measure(name)) for name in self._names},
            itself={name: _self_distance(name, look.own) for name in self._names},
            untrained={name: Spread.of(_pairwise(name, look.untrained, look.own)) for name in self._names},
            decided=decided,
        )

    def _grow(self, left: Mapping[str, Baseline]) -> tuple[_Look | None, Decided | None]:
        """Look at a growing number of images until the verdict is decided: the last look, and the decision, if any."""
        look, steps = None, self._steps(left)
        self._observations.expected += len(steps) * (len(left) + 2) * len(self._own)
        for step in steps:
            look = self._look(left if look is None else {key: left[key] for key in look.distances}, step.recipe, step)
            name = self._names[0]
            distances, untrained = look.by(name), _pairwise(name, look.untrained, look.own)
            if not distances:
                return look, None
            spreads = {key: Spread.of(measured) for key, measured in distances.items()}
            probability = probability_unchanged(
                distances,
                measure(name),
                untrained=untrained,
                share=step.recipe.samples / self.recipe.samples,
                ranking=rank(spreads, estimate_column(distances, measure(name)), untrained=Spread.of(untrained)),
            )
            if probability is not None and probability >= 1 - TOLERANCE:
                decided = Decided(step.recipe.samples, self.recipe.samples, probability)
                self._context.event("decided", vars(decided))
                self._context.once(_STOPPED_NAME, partial(replace, step.recipe), RECIPE)
                return look, decided
        return look, None

    def _steps(self, left: Mapping[str, Baseline]) -> tuple[Step, ...]:
        """The steps before all images; none if they could not decide, or could cost more than all images at once."""
        if not left or len(self._own) < 2 or not measure(self._names[0]).forecastable:
            return ()
        steps = plan_steps(self.recipe, images=self._images)
        if not steps or _STOPPED_NAME in self._context.memo:  # an earlier attempt stopped, and so does this one
            return steps
        networks = [network for baseline in left.values() for network in baseline.networks[: len(self._own)]]
        return steps if self._observations.can_grow([*self._own, *networks], self._own[0]) else ()

    def _look(
        self, left: Mapping[str, Baseline], recipe: Recipe, step: Step | None = None, *, keep: bool = False
    ) -> _Look:
        """Measure all sources by every measure; with `keep`, store and report each one as soon as it is measured."""
        groups = None if step is None else step.groups
        own = [self._observations.of_network(network, recipe, groups=groups) for network in self._own]
        untrained = [self._observations.of_untrained(number, recipe, groups=groups) for number in range(len(self._own))]
        look = _Look(recipe, own, untrained, {})
        for key, baseline in left.items():
            seen = self._see(baseline, recipe, len(own), groups=groups)
            if seen is None:
                continue
            look.distances[key] = {name: _pairwise(name, seen, own) for name in self._names}
            if keep:
                self._keep(baseline, look, key)
        return look

    def _count(self, sources: int, rungs: Sequence[Rung]) -> int:
        """The largest possible number of observations, apart from steps."""
        count = 0
        for rung in rungs:
            count += (sources + 1) * rung.repetitions
            sources = min(sources, rung.keep)
        return count + (sources + 2) * len(self._own)

    def _halve(self, left: Mapping[str, Baseline], rung: Rung) -> tuple[dict[str, Baseline], dict[str, Source]]:
        """The sources that reach the next round, and the measurements of the eliminated ones."""
        name = self._names[0]
        own = [self._observations.of_network(network, rung.recipe) for network in self._own[: rung.repetitions]]
        distances = {}
        for key, baseline in left.items():
            seen = self._see(baseline, rung.recipe, rung.repetitions)
            if seen is not None:
                distances[key] = _pairwise(name, seen, own)
        remaining = set(survivors(distances, measure(name), keep=rung.keep))
        self._context.event("halving", {"sources": len(left), "left": len(remaining), "samples": rung.recipe.samples})
        behind = {
            key: Source({name: Spread.of(measured)}, self._samples(rung.recipe), finalist=False)
            for key, measured in distances.items()
            if key not in remaining
        }
        return {key: baseline for key, baseline in left.items() if key in remaining}, behind

    def _see(
        self, baseline: Baseline, recipe: Recipe, repetitions: int, *, groups: int | None = None
    ) -> list[Observation] | None:
        """Observe a source's networks on the target's images; None, with an event, if one of them cannot be used."""
        networks = baseline.networks[:repetitions]
        try:
            return [self._observations.of_network(network, recipe, groups=groups) for network in networks]
        except DivergedNetworkError as error:
            data = {"task_id": baseline.id, "name": baseline.task.name, "reason": error.message}
            self._context.event("unusable", data)
            return None

    def _keep(self, baseline: Baseline, look: _Look, key: str) -> None:
        """Store and report a source's distances: repetition r of the source and of the target, as far as both have one.

        Of fewer images than the recipe's, only distances by measures that can be forecast from them are stored.
        """
        measured = look.distances[key]
        rows = [
            _row(self._observations.data_key, look.recipe, name, network, target, distance)
            for name, distances in measured.items()
            if look.recipe == self.recipe or measure(name).forecastable
            for network, target, distance in zip(baseline.networks, self._own, distances, strict=False)
        ]
        with self._context.unit_of_work() as registry:
            registry.results.store_distances(rows)
        self._report(baseline, Spread.of(measured[self._names[0]]))

    def _samples(self, recipe: Recipe) -> int:
        """M, or the number of the target's training images if it is smaller."""
        return min(recipe.samples, self._images)

    def _report(self, baseline: Baseline, spread: Spread) -> None:
        data = {
            "task_id": baseline.id,
            "name": baseline.task.name,
            "measure": self._names[0],
            "mean": spread.mean,
            "std": spread.std,
        }
        self._context.event("distance", data)


def _pairwise(name: str, sources: Sequence[Observation], own: Sequence[Observation]) -> list[Distance]:
    return [measure(name).distance(source, target) for source, target in zip(sources, own, strict=False)]


def _self_distance(name: str, own: Sequence[Observation]) -> Spread | None:
    """How far two trainings of the target are apart, over all ordered pairs; None for a single training.

    A measure that can be negative counts by its absolute value: otherwise the two directions would cancel.
    """
    pairs = [measure(name).distance(source, target) for source, target in permutations(own, 2)]
    return Spread.of([replace(pair, value=abs(pair.value), contributions=()) for pair in pairs]) if pairs else None


def _row(
    data_key: str, recipe: Recipe, name: str, source: NetworkRow, target: NetworkRow, distance: Distance
) -> dict[str, Any]:
    return {
        "source_network": source.key,
        "target_network": target.key,
        "data_key": data_key,
        "measure": name,
        "recipe_digest": recipe.digest,
        "value": distance.value,
        "signed": distance.signed,
        "standard_error": jackknife_error(distance.without),
        "contributions": [list(contribution) for contribution in distance.contributions] or None,
    }
