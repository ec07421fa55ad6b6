"""The matrix of distances as one document."""

from collections.abc import Sequence
from typing import Any

from ldnas.recipe import DEFAULT_RECIPE
from service.schemas.distances import DistanceMatrix, Measure, TaskLabel
from worker.registry.matrix import MatrixEntry
from worker.registry.registry import Registry


def distance_matrix(registry: Registry, measure: Measure, *, source: str | None, target: str | None) -> DistanceMatrix:
    """Every task that a distance was measured from or to, and all baselines unless `source` or `target` narrows it.

    Raises:
        NotFoundError: `source` or `target` is neither a task's id nor its name.
    """
    entries = registry.results.matrix(measure, DEFAULT_RECIPE.digest, source=source, target=target)
    labels = _labels(registry, entries, [name for name in (source, target) if name is not None])
    place = {label.id: index for index, label in enumerate(labels)}

    def table(figure: str) -> list[list[Any]]:
        cells: list[list[Any]] = [[None] * len(labels) for _ in labels]
        for entry in entries:
            cells[place[entry.source_task_id]][place[entry.target_task_id]] = getattr(entry, figure)
        return cells

    return DistanceMatrix(
        measure=measure,
        recipe={**DEFAULT_RECIPE.to_json(), "digest": DEFAULT_RECIPE.digest},
        tasks=labels,
        mean=table("mean"),
        std=table("std"),
        repetitions=table("repetitions"),
    )


def _labels(registry: Registry, entries: Sequence[MatrixEntry], filters: Sequence[str]) -> list[TaskLabel]:
    """Baselines first, oldest first; then targets in the order of their measurement."""
    involved = dict.fromkeys(id for entry in entries for id in (entry.source_task_id, entry.target_task_id))
    for name_or_id in filters:
        baseline = registry.tasks.find_baseline(name_or_id)
        if baseline is not None:
            involved[baseline.id] = None
        elif not entries:
            involved[registry.tasks.get(name_or_id).id] = None
    baselines = {row.task.id: row.task.name for row in registry.tasks.baselines()}
    shown = [*baselines] if not filters else [id for id in baselines if id in involved]
    others = [id for id in involved if id not in baselines]
    names = baselines | {id: registry.tasks.get(id).name for id in others}
    return [TaskLabel(id=id, name=names[id]) for id in (*shown, *others)]
