"""The choice among the trained cells of the closest task and the starter memory; tests/worker/test_race.py has their
races."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.torch import save as save_safetensors

from ldnas.data.dataset import Split, fingerprints_of
from ldnas.memory.scores import CellScore
from ldnas.memory.starter import StarterCell, StarterMemory
from ldnas.networks.design import CellDesign
from ldnas.networks.designed import build_designed
from ldnas.space.genotype import Genotype
from ldnas.space.skeleton import Skeleton, Stage, default_skeleton
from worker.jobs.stages import race_cells, warm_cells
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


class NoResults(tuple[str, ...]):
    """The memo of a job without eligible baselines."""

    def stored(self, name: str, codec: Any) -> Any:
        return codec.from_json([])


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
                weights=open_store(settings).put(save_safetensors(weights)),
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

    def ask(closest: str | None = "three", side: int = 32, **request: Any) -> tuple[list[str], tuple[str, ...]]:
        context: Any = SimpleNamespace(
            reading=lambda: reading(engine),
            unit_of_work=lambda: unit_of_work(engine),
            store=open_store(settings),
            memo=NoResults(),
        )
        images = [np.full((8, 8, 3), value, np.uint8) for value in range(3)]
        dataset = SimpleNamespace(digest="another", images=images, indices=lambda split: [[*Split].index(split)])
        task: Any = SimpleNamespace(id="target", classes=2, dataset=dataset, image_size=side, architecture="small_cnn")
        asked = RecommendationRequest.from_storage({"dataset": {"uri": "builtin://digits"}, **request})
        known = None if closest is None else ClosestTask(closest, closest)
        found = find_warm_cells(context, task, asked, known)
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


RACE = {"strategy": "race"}


@pytest.fixture
def starter(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A starter memory with these trained cells, as task and genotype, which names their prefixes too."""

    def put(*cells: tuple[str, Genotype], seen: bytes = b"") -> None:
        classes = {"Task 3": 10, "Task 5": 2, "Task 7": 10}
        trained = tuple(
            StarterCell(
                task, CellDesign(cell, default_skeleton(16, classes[task])), 0.9, 0.01, f"{task}/{cell.primitives[0]}/"
            )
            for task, cell in cells
        )
        ranked = ((MAX_POOL, 0.8), (IDENTITY, 0.7), (HEAVY, 0.6))
        scores = tuple(CellScore("starter memory, Task 0", cell, accuracy, 3) for cell, accuracy in ranked)
        for stage in (race_cells, warm_cells):
            monkeypatch.setattr(stage, "read_starter", lambda: StarterMemory(scores, trained, seen))

    return put


def test_without_a_cell_of_the_closest_task_one_of_the_starter_memory_takes_part(
    add: Add, find: Find, starter: Callable[..., None]
) -> None:
    starter(("Task 7", HEAVY), ("Task 3", MAX_POOL), ("Task 7", MAX_POOL), ("Task 5", MAX_POOL), ("Task 3", IDENTITY))
    expected = (["Task 7/max_pool_3x3/"], ())
    assert find(search=RACE) == expected
    assert find(closest=None, search=RACE) == expected
    assert find(search={**RACE, "space": "full"}) == ([], ())
    own = add(IDENTITY, 0.5)
    assert find(search=RACE) == ([own], ())


def test_a_cell_of_the_starter_memory_keeps_the_limits_and_is_not_much_smaller_than_the_target(
    find: Find, starter: Callable[..., None]
) -> None:
    starter(("Task 3", HEAVY))
    assert find(closest=None, search=RACE) == (["Task 3/sep_conv_5x5/"], ())
    assert find(closest=None, search=RACE, constraints={"max_parameters": 1000}) == ([], ())
    assert find(closest=None, search=RACE, side=33) == ([], ())


@pytest.mark.parametrize("split", [Split.VALIDATION, Split.TEST])
def test_a_starter_memory_that_has_read_images_that_judge_the_target_does_not_take_part(
    split: Split, find: Find, starter: Callable[..., None]
) -> None:
    seen = fingerprints_of([np.full((8, 8, 3), [*Split].index(split), np.uint8)])
    starter(("Task 3", HEAVY), seen=seen)
    reason = "they were trained or validated on 1 of the target's validation or test images"
    assert find(closest=None, search=RACE) == (
        [],
        (f"no trained cell of the starter memory took part in the race: {reason}",),
    )
    starter(("Task 3", HEAVY), seen=fingerprints_of([np.full((8, 8, 3), [*Split].index(Split.TRAIN), np.uint8)]))
    assert find(closest=None, search=RACE) == (["Task 3/sep_conv_5x5/"], ())
