"""The distances as documents: the matrix, and one pair of it."""

from collections.abc import Iterable, Sequence
from typing import Any

from ldnas.networks.names import ARCHITECTURES
from ldnas.recipe import default_recipe, measured_recipes
from service.api.errors import MatrixTooLargeError, NotMeasuredError
from service.schemas.distances import Contribution, DistanceDetail, DistanceRepetition, TaskLabel
from worker.registry import MatrixEntry, MeasuredRepetition, Registry, spread
from worker.specification import Measure

# About 5 MB of JSON, which take some seconds to make; `KEPT_BYTES` is large enough for them.
MAX_CELLS = 100_000

RECIPES = {recipe.digest: recipe for network in ARCHITECTURES for recipe in measured_recipes(network)}


def distance_matrix(registry: Registry, measure: Measure, *, source: str | None, target: str | None) -> dict[str, Any]:
    """The fields of a `DistanceMatrix`; not the model, whose validation takes longer than the matrix itself.

    Without a filter, every task has a row and a column: the baselines, and the targets with a measured distance. With
    a filter, one axis has only that task, and the other axis the tasks with a distance to or from it.

    Raises:
        NotFoundError: no task has the id or name `source` or `target`.
        MatrixTooLargeError: no filter is given, and the registry has too many tasks.
    """
    row, column = (None if name is None else registry.tasks.find(name).id for name in (source, target))
    if row is None and column is None:
        names = whole_matrix_tasks(registry, measure)
        sources = targets = list(names)
        _require_few(len(names))
        entries = registry.results.columns(measure, RECIPES, targets)
    else:
        entries = registry.results.matrix(measure, RECIPES, source_task_id=row, target_task_id=column)
        rows = {entry.source_task_id for entry in entries} if row is None else {row}
        columns = {entry.target_task_id for entry in entries} if column is None else {column}
        names = registry.tasks.names(rows | columns)
        sources, targets = [id for id in names if id in rows], [id for id in names if id in columns]
    return {
        "measure": measure,
        "recipe": _shared_recipe(),
        "tasks": [{"id": id, "name": name} for id, name in names.items()],
        "sources": sources,
        "targets": targets,
        **_tables(entries, sources, targets),
    }


def whole_matrix_tasks(registry: Registry, measure: Measure) -> dict[str, str]:
    """The name, by id, of every task in the matrix: the baselines, and the targets with a measured distance."""
    return registry.tasks.baseline_names() | registry.results.measured_targets(measure, RECIPES)


def distance_detail(registry: Registry, source: str, target: str, measure: Measure) -> DistanceDetail:
    """The distance from one task to another in detail.

    Raises:
        NotFoundError: no task has the id or name `source` or `target`.
        NotMeasuredError: both tasks exist, but the distance between them was not measured.
    """
    row, column = (registry.tasks.find(name) for name in (source, target))
    repetitions = registry.results.pair(row.id, column.id, measure, RECIPES)
    if not repetitions:
        wanted = f'{{"targets": ["{column.id}"], "sources": ["{row.id}"], "measures": ["{measure}"]}}'
        raise NotMeasuredError(
            f"the distance from {row.name!r} to {column.name!r} was not measured by {measure}; "
            f"POST /v1/distances with {wanted} measures it"
        )
    mean, std = spread([item.value for item in repetitions])
    recipe = RECIPES[repetitions[-1].recipe_digest]
    return DistanceDetail(
        source=TaskLabel(id=row.id, name=row.name),
        target=TaskLabel(id=column.id, name=column.name),
        measure=measure,
        recipe={**recipe.to_json(), "digest": recipe.digest},
        mean=mean,
        std=std,
        signed=spread([item.signed for item in repetitions])[0],
        standard_error=_standard_error(repetitions),
        repetitions=[
            DistanceRepetition(
                repetition=item.repetition,
                source_network=item.source_network,
                target_network=item.target_network,
                value=item.value,
                signed=item.signed,
                standard_error=item.standard_error,
                measured_at=item.created_at,
            )
            for item in repetitions
        ],
        contributions=_contributions(repetitions),
    )


def _require_few(tasks: int) -> None:
    if tasks**2 > MAX_CELLS:
        raise MatrixTooLargeError(
            f"{tasks:,} by {tasks:,} tasks exceed the limit of {MAX_CELLS:,} cells of one answer as JSON or SVG; "
            "filter by `source` or `target`, or request CSV, which has no such limit"
        )


def _tables(entries: Iterable[MatrixEntry], sources: list[str], targets: list[str]) -> dict[str, list[list[Any]]]:
    mean, std, repetitions = ([[None] * len(targets) for _ in sources] for _ in range(3))
    tables: dict[str, list[list[Any]]] = {"mean": mean, "std": std, "repetitions": repetitions}
    rows, columns = ({id: place for place, id in enumerate(axis)} for axis in (sources, targets))
    for entry in entries:
        row, column = rows.get(entry.source_task_id), columns.get(entry.target_task_id)
        if row is None or column is None:
            continue  # the target has no distance from another task
        tables["mean"][row][column] = entry.mean
        tables["std"][row][column] = entry.std
        tables["repetitions"][row][column] = entry.repetitions
    return tables


def _shared_recipe() -> dict[str, Any]:
    """The settings that the recipes of all architectures share; `samples` of them at most."""
    shared = {name: value for name, value in default_recipe(ARCHITECTURES[0]).to_json().items() if name != "network"}
    return {**shared, "digests": {network: default_recipe(network).digest for network in ARCHITECTURES}}


def _standard_error(repetitions: Sequence[MeasuredRepetition]) -> float | None:
    known = [item.standard_error for item in repetitions if item.standard_error is not None]
    return spread(known)[0] if known else None


def _contributions(repetitions: Sequence[MeasuredRepetition]) -> list[Contribution] | None:
    known = [dict(item.contributions) for item in repetitions if item.contributions is not None]
    if not known:
        return None
    layers = dict.fromkeys(layer for contributions in known for layer in contributions)
    means = {layer: spread([contributions.get(layer, 0.0) for contributions in known])[0] for layer in layers}
    ordered = sorted(means.items(), key=lambda item: -abs(item[1]))
    return [Contribution(layer=layer, value=value) for layer, value in ordered]
