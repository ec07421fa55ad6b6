"""Distances put into the registry as a worker would have measured them."""

from typing import Any

from ldnas.recipe import default_recipe
from worker.registry import Engine, unit_of_work


def keep_distance(engine: Engine, source: str, target: str, value: float, **columns: Any) -> None:
    row = {
        "source_network": source,
        "target_network": target,
        "data_key": "d",
        "measure": "log_det_layerwise",
        "recipe_digest": default_recipe("small_cnn").digest,
        "value": value,
        "signed": -value,
    }
    with unit_of_work(engine) as registry:
        registry.results.store_distances([row | columns])
