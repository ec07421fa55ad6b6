"""The `provenance` of a recommendation: what its answer was computed from."""

from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from ldnas.recipe import Recipe
from worker.jobs.stages.resolve import ResolvedTask


def provenance_document(task: ResolvedTask, recipe: Recipe) -> dict[str, Any]:
    """Seed, recipe of the distances, digests of the data and versions of the packages."""
    return {
        "seed": task.seed,
        "recipe": {**recipe.to_json(), "digest": recipe.digest},
        "digests": asdict(task.full.digests),
        "versions": {package: version(package) for package in ("ldnas", "torch", "torchvision", "numpy")},
    }
