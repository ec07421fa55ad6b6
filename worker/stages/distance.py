"""distance: the column of distances from every comparable baseline to the target."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

from ldnas.digests import json_digest
from ldnas.distance.log_det import Distance, LogDetSummary, measure_distance
from ldnas.distance.passes import gather_batch_norm_statistics, log_det_summary
from ldnas.distance.ranking import Spread
from ldnas.networks.build import build_network
from ldnas.networks.classifier import Classifier
from ldnas.recipe import DEFAULT_RECIPE, MEASURES, Recipe
from ldnas.seeding import derive_seed
from worker.registry.models import Network
from worker.stages.baselines import Baseline
from worker.stages.context import JobContext
from worker.stages.fit import FittedNetwork, load_task_network
from worker.stages.resolve import ResolvedTask


@dataclass(frozen=True)
class Column:
    """Distances to one target by measure: of each source task, of the target from itself, and of untrained networks."""

    sources: dict[str, dict[str, Spread]]
    itself: dict[str, Spread | None]
    untrained: dict[str, Spread]


def measure_column(
    context: JobContext,
    target: ResolvedTask,
    fitted: Sequence[FittedNetwork],
    baselines: Sequence[Baseline],
    *,
    measure: str,
) -> Column:
    """Every distance to `target` that is not kept yet is computed and kept; events tell each as it arrives."""
    passes = _Passes(context, target, total=len(fitted) * (2 + len(baselines)))
    own = [passes.of_kept(item.network) for item in fitted]
    untrained = [passes.of_untrained(repetition) for repetition in range(len(fitted))]
    sources = {}
    for baseline in baselines:
        spreads = _measure_source(context, passes, baseline, fitted, own)
        sources[baseline.id] = spreads
        spread = spreads[measure]
        context.event(
            "distance",
            {
                "task_id": baseline.id,
                "name": baseline.task.name,
                "measure": measure,
                "mean": spread.mean,
                "std": spread.std,
            },
        )
    return Column(
        sources=sources,
        itself={name: _self_distance(name, own) for name in MEASURES},
        untrained={name: _spread(name, untrained, own) for name in MEASURES},
    )


class _Passes:
    """Fisher passes on one target: kept under (network, data, recipe), and counted for the progress."""

    def __init__(
        self, context: JobContext, target: ResolvedTask, *, total: int, recipe: Recipe = DEFAULT_RECIPE
    ) -> None:
        self._context = context
        self._target = target
        self._recipe = recipe
        self._total = total
        self._done = 0

    @property
    def data_key(self) -> str:
        return self._target.data_key

    @property
    def recipe_digest(self) -> str:
        return self._recipe.digest

    def of_kept(self, network: Network) -> LogDetSummary:
        """The sums of a kept task network on the target's images."""
        return self._summary(network.key, lambda: load_task_network(self._context, network))

    def of_untrained(self, repetition: int) -> LogDetSummary:
        """The sums of a fresh network of the target's architecture, batch norm fitted to the target's images."""
        target = self._target
        seed = derive_seed(0, "untrained", repetition)

        def build() -> Classifier:
            network = build_network(target.architecture, classes=target.classes, seed=seed).to(self._context.device)
            gather_batch_norm_statistics(network, target.proxy.train)
            return network

        return self._summary(f"untrained:{target.architecture}:{repetition}", build)

    def _summary(self, network_key: str, load: Callable[[], Classifier]) -> LogDetSummary:
        key = json_digest(
            {"what": "fisher summary", "network": network_key, "data": self.data_key, "recipe": self.recipe_digest}
        )
        with self._context.reading() as registry:
            kept = registry.results.fisher_summary(key)
        if kept is not None:
            summary = LogDetSummary.from_json(kept.summary)
        else:
            train = self._target.proxy.train
            summary = log_det_summary(load(), train, classes=self._target.classes, recipe=self._recipe)
            with self._context.unit_of_work() as registry:
                registry.results.keep_fisher_summary(
                    key=key,
                    network_key=network_key,
                    data_key=self.data_key,
                    recipe_digest=self.recipe_digest,
                    summary=summary.to_json(),
                    samples=min(self._recipe.samples, len(train)),
                )
        self._done += 1
        self._context.progress(self._done / self._total, f"Fisher pass {self._done} of {self._total}")
        return summary


def _measure_source(
    context: JobContext,
    passes: _Passes,
    baseline: Baseline,
    fitted: Sequence[FittedNetwork],
    own: Sequence[LogDetSummary],
) -> dict[str, Spread]:
    """Repetition r of the source with repetition r of the target, as far as both have one."""
    pairs = list(zip(baseline.networks, fitted, own, strict=False))
    spreads: dict[str, Spread] = {}
    rows: list[dict[str, Any]] = []
    summaries = [passes.of_kept(network) for network, _, _ in pairs]
    for measure in MEASURES:
        distances = [
            measure_distance(measure, summary, target) for summary, (_, _, target) in zip(summaries, pairs, strict=True)
        ]
        spreads[measure] = Spread.of(distances)
        rows += [
            _row(passes, measure, network, item.network, distance)
            for (network, item, _), distance in zip(pairs, distances, strict=True)
        ]
    with context.unit_of_work() as registry:
        registry.results.keep_distances(rows)
    return spreads


def _row(passes: _Passes, measure: str, source: Network, target: Network, distance: Distance) -> dict[str, Any]:
    return {
        "source_network": source.key,
        "target_network": target.key,
        "data_key": passes.data_key,
        "measure": measure,
        "recipe_digest": passes.recipe_digest,
        "value": distance.value,
        "signed": distance.signed,
    }


def _spread(measure: str, sources: Sequence[LogDetSummary], own: Sequence[LogDetSummary]) -> Spread:
    return Spread.of([measure_distance(measure, source, target) for source, target in zip(sources, own, strict=True)])


def _self_distance(measure: str, own: Sequence[LogDetSummary]) -> Spread | None:
    """The distance between two trainings of the target, over all ordered pairs; None for a single training."""
    pairs = [measure_distance(measure, source, target) for source, target in permutations(own, 2)]
    return Spread.of(pairs) if pairs else None
