"""The choice among the trained cells of the closest task; tests/worker/test_race.py has their races."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from safetensors.torch import save as save_safetensors

from ldnas.networks.design import CellDesign
from ldnas.networks.designed import build_designed
from ldnas.space.genotype import Genotype
from ldnas.space.skeleton import Skeleton, Stage, default_skeleton
from worker.jobs.stages.baselines import ClosestTask
from worker.jobs.stages.warm_cells import find_warm_cells
from worker.registry import Engine, reading, unit_of_work
from worker.settings import Settings
from worker.specification import RecommendationRequest
from worker.storage.artifacts import open_store

IDENTITY, MAX_POOL, MEAN_POOL, HEAVY = (
    Genotype((primitive,) * 6) for primitive in ("identity", "max_pool_3x3", "avg_pool_3x3", "sep_conv_5x5")
)
SKELETON = default_skeleton(16, 3)
Add = Callable[..., str]
Find = Callable[..., tuple[list[str], tuple[str, ...]]]


@pytest.fixture
def add(engine: Engine, settings: Settings, add_task: Callable[..., str]) -> Add:
    """Links a cell of this validation accuracy to the task `three`; gives the key of its network."""
    add_task("three")

    def link(genotype: Genotype, accuracy: float, skeleton: Skeleton = SKELETON, *, finite: bool = True) -> str:
        design = CellDesign(genotype, skeleton)
        weights = build_designed(design, seed=0).state_dict()
        if not finite:
            weights["stem.0.weight"][0, 0, 0, 0] = float("nan")
        key = f"{genotype.digest[:8]} of {accuracy}"
        with unit_of_work(engine) as registry:
            registry.results.store_network(
                key=key,
                architecture="cell",
                seed=0,
                classes=skeleton.classes,
                weights=open_store(settings.artifact_url).put(save_safetensors(weights)),
                parameters=1,
                validation_accuracy=accuracy,
                validation_balanced_accuracy=accuracy,
                seconds=1.0,
            )
            registry.task_results.link_cell("three", key, design.to_json())
        return key

    return link


@pytest.fixture
def find(engine: Engine, settings: Settings) -> Find:
    """The keys of the cells of `three` that a race with this request gets, and the warnings."""

    def ask(**request: Any) -> tuple[list[str], tuple[str, ...]]:
        context: Any = SimpleNamespace(
            reading=lambda: reading(engine),
            unit_of_work=lambda: unit_of_work(engine),
            store=open_store(settings.artifact_url),
        )
        task: Any = SimpleNamespace(classes=2, dataset=SimpleNamespace(digest="another"))
        asked = RecommendationRequest.from_storage({"dataset": {"uri": "builtin://digits"}, **request})
        found = find_warm_cells(context, task, asked, ClosestTask("three", "three"))
        assert all(cell.design.classes == 2 for cell in found.cells)
        return [cell.network for cell in found.cells], found.warnings

    return ask


def test_the_two_best_cells_take_part(add: Add, find: Find) -> None:
    assert find() == ([], ())
    add(MEAN_POOL, 0.5)
    best = add(IDENTITY, 0.875)
    second = add(MAX_POOL, 0.625)
    assert find() == ([best, second], ())


def test_of_one_cell_at_one_size_the_best_network_takes_part(add: Add, find: Find) -> None:
    narrow = Skeleton(16, 3, 8, (Stage(8, 1),))
    best = add(IDENTITY, 0.875)
    add(IDENTITY, 0.75, narrow)
    smaller = add(IDENTITY, 0.625, default_skeleton(8, 3))
    assert find() == ([best, smaller], ())


def test_a_fixed_image_size_leaves_out_the_cells_of_another_one(add: Add, find: Find) -> None:
    add(IDENTITY, 0.75, default_skeleton(8, 3))
    own = add(IDENTITY, 0.5)
    assert find(image_size=16) == ([own], ())


def test_the_limits_hold_for_the_network_with_the_targets_classes(add: Add, find: Find) -> None:
    heavy, light = add(HEAVY, 0.875), add(IDENTITY, 0.5)
    network = build_designed(CellDesign(IDENTITY, default_skeleton(16, 2)), seed=0)
    parameters = sum(tensor.numel() for tensor in network.parameters())
    assert find() == ([heavy, light], ())
    assert find(constraints={"max_parameters": parameters}) == ([light], ())
    assert find(constraints={"max_parameters": parameters - 1}) == ([], ())


def test_a_cell_whose_weights_are_not_finite_makes_room_for_the_next(add: Add, find: Find) -> None:
    add(IDENTITY, 0.875, finite=False)
    others = [add(MAX_POOL, 0.625), add(MEAN_POOL, 0.5)]
    keys, (warning,) = find()
    assert keys == others
    assert warning == (
        f"cell {IDENTITY.digest[:8]} from three at 16 px did not take part in the race: its weights are not finite"
    )
