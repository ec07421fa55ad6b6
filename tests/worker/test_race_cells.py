"""The choice of the cells of a race among scored and drawn ones; tests/worker/test_race.py has their races."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from ldnas.memory.closeness import HELPS, UNKNOWN
from ldnas.memory.proposals import neighbours
from ldnas.memory.scores import CellScore
from ldnas.memory.starter import StarterMemory
from ldnas.recipe import default_recipe
from ldnas.space.complexity import parameters
from ldnas.space.fitting import narrower_skeletons
from ldnas.space.genotype import Genotype
from ldnas.space.space import FULL_SPACE, SearchSpace
from worker.jobs.stages import race_cells
from worker.jobs.stages.race_cells import RaceCells
from worker.jobs.stages.space import FoundSpace
from worker.registry import CellTraining, Engine, reading, unit_of_work
from worker.specification import RecommendationRequest

IDENTITY, MAX_POOL, MEAN_POOL, HEAVY = (
    Genotype((primitive,) * 6) for primitive in ("identity", "max_pool_3x3", "avg_pool_3x3", "sep_conv_5x5")
)
MEASURE, ARCHITECTURE = "log_det_layerwise", "small_cnn"
Know = Callable[..., None]
Choose = Callable[..., RaceCells]


@pytest.fixture
def know(engine: Engine, add_task: Callable[..., str]) -> Know:
    """Registers a baseline with these accuracies of cells, by cell or by cell and epochs."""

    def store(task: str, scores: Mapping[Any, float], origin: str = "random") -> None:
        add_task(task)
        rows = []
        for key, accuracy in scores.items():
            genotype, epochs = key if isinstance(key, tuple) else (key, 3)
            score = {"validation_accuracy": accuracy, "validation_balanced_accuracy": accuracy, "epochs": epochs}
            rows.append({"digest": genotype.digest, "genotype": genotype.to_json(), **score})
        with unit_of_work(engine) as registry:
            found = registry.results.store_search(f"search of {task}", origin, rows)
            registry.task_results.link_genotypes(task, [row.id for row in found])

    return store


class Memo(dict[str, Any]):
    """The results of the earlier stages, by name."""

    def stored(self, name: str, codec: Any) -> Any:
        return codec.from_json(self[name])


@pytest.fixture
def choose(engine: Engine) -> Choose:
    """The cells of a race on the task `target` with these settings, with what the answer says of them."""

    def ask(
        eligible: str = "",
        *,
        found: SearchSpace = FULL_SPACE,
        limits: Any = None,
        task_id: str = "target",
        **search: Any,
    ) -> RaceCells:
        eligibility = [{"task_id": id, "eligible": id in eligible.split()} for id in ("left out", *eligible.split())]
        context: Any = SimpleNamespace(
            reading=lambda: reading(engine),
            memo=Memo(contenders=eligibility),
        )
        task: Any = SimpleNamespace(id=task_id, image_size=16, classes=2, architecture=ARCHITECTURE)
        asked = {"dataset": {"uri": "builtin://digits"}, "constraints": limits, "search": {"strategy": "race"} | search}
        parts = {}

        def once(name: str, compute: Callable[[], RaceCells], codec: Any, part: Any) -> RaceCells:
            chosen = codec.from_json(codec.to_json(compute()))
            parts.update(part(chosen).fields)
            return chosen

        answer: Any = SimpleNamespace(request=RecommendationRequest.from_storage(asked), once=once)
        cells = race_cells.choose_cells(context, task, answer, FoundSpace(found, (), None), seed=3)
        return RaceCells(cells, parts["search"]["memory"])

    return ask


def test_the_best_cell_over_all_tasks_takes_part_not_that_of_one_task(know: Know, choose: Choose) -> None:
    know("one", {IDENTITY: 0.80, MAX_POOL: 0.79, MEAN_POOL: 0.50})
    know("two", {IDENTITY: 0.30, MAX_POOL: 0.50, MEAN_POOL: 0.31})
    know("left out", {MEAN_POOL: 0.99, MAX_POOL: 0.01})
    chosen = choose("one two", k=2)
    assert chosen.cells == (MAX_POOL, IDENTITY)
    assert chosen.memory == {"tasks": 2, "cells": 3, "starter": False, "closeness": UNKNOWN}


def test_more_cells_than_are_good_are_neighbours_of_the_best(know: Know, choose: Choose) -> None:
    know("one", {IDENTITY: 0.8, MAX_POOL: 0.5})
    best, *others = choose("one", k=3).cells
    assert best == IDENTITY
    assert len(set(others)) == 2
    assert set(others) <= set(neighbours(IDENTITY))
    assert choose("one", k=3).cells == (best, *others), "the seed decides"


def test_the_survivor_of_a_search_is_better_than_the_cells_that_it_dropped(know: Know, choose: Choose) -> None:
    rows = {(IDENTITY, 1): 0.9, (MAX_POOL, 1): 0.8, (MEAN_POOL, 2): 0.5}
    know("one", rows)
    assert choose("one").cells == (MEAN_POOL,)


def test_a_later_cell_of_shared_weights_survived_no_cut(know: Know, choose: Choose) -> None:
    know("one", {(IDENTITY, 1): 0.9, (MAX_POOL, 1): 0.8, (MEAN_POOL, 2): 0.5}, origin="enas")
    assert choose("one").cells == (IDENTITY,)


def test_a_complete_training_of_a_cell_counts(engine: Engine, know: Know, choose: Choose) -> None:
    know("one", {IDENTITY: 0.9, MAX_POOL: 0.8})
    assert choose("one").cells == (IDENTITY,)
    with unit_of_work(engine) as registry:
        for cell, accuracy in ((IDENTITY, 0.2), (MAX_POOL, 0.9), (MEAN_POOL, 0.3)):
            registry.task_results.store_training("one", training_of(cell, accuracy))
        unknown = replace(training_of(MEAN_POOL, 0.99), key="race", epochs=None)
        registry.task_results.store_training("one", unknown)
    chosen = choose("one")
    assert chosen.cells == (MAX_POOL,)
    assert chosen.memory is not None
    assert chosen.memory["cells"] == 3


def training_of(cell: Genotype, accuracy: float) -> CellTraining:
    return CellTraining(
        key=f"network of {cell.digest}",
        genotype=cell.to_json(),
        skeleton={},
        epochs=15,
        seed=0,
        validation_accuracy=accuracy,
        validation_loss=1.0,
        standard_error=0.01,
        seconds=1.0,
    )


def test_the_starter_memory_counts_and_is_marked(know: Know, choose: Choose, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = tuple(
        CellScore("starter memory, Task 3", cell, score, 3) for cell, score in ((HEAVY, 0.9), (IDENTITY, 0.5))
    )
    monkeypatch.setattr(race_cells, "read_starter", lambda: StarterMemory(scores))
    chosen = choose()
    assert chosen.cells == (HEAVY,)
    assert chosen.memory == {"tasks": 1, "cells": 2, "starter": True, "closeness": UNKNOWN}


def test_cells_outside_the_limits_do_not_take_part(know: Know, choose: Choose) -> None:
    know("one", {HEAVY: 0.9, IDENTITY: 0.5})
    assert choose("one").cells == (HEAVY,)
    narrowest = narrower_skeletons(16, 2)[-1]
    limit = parameters(HEAVY, narrowest) - 1
    first, second = choose("one", limits={"max_parameters": limit}, k=2).cells
    assert second != IDENTITY, "a neighbour of the best cell comes before a bad one"
    assert {first, second} <= set(neighbours(HEAVY))
    assert all(parameters(cell, narrowest) <= limit for cell in (first, second))


def test_without_scores_a_cell_is_drawn(choose: Choose) -> None:
    chosen = choose(k=3)
    assert len(chosen.cells) == 1
    assert chosen.memory == {"tasks": 0, "cells": 0, "starter": False, "closeness": UNKNOWN}


@pytest.mark.parametrize("space", ["primitives", "full"])
def test_cells_of_a_space_are_drawn_without_scores(know: Know, choose: Choose, space: str) -> None:
    know("one", {IDENTITY: 0.9, MAX_POOL: 0.8})
    found = SearchSpace(("sep_conv_3x3", "identity"))
    chosen = choose("one", found=found, k=4, space=space)
    assert len(set(chosen.cells)) == 4
    assert all(found.contains(cell) for cell in chosen.cells)
    assert chosen.memory is None


def test_closer_tasks_count_more_where_closeness_predicts_the_scores(
    engine: Engine, know: Know, choose: Choose, add_recommendation: Callable[..., str]
) -> None:
    add_recommendation("target")
    tasks = ["x1", "x2", "y1", "y2", "y3", "target-of-target"]
    for number, task in enumerate(tasks[:-1]):
        good, bad = (IDENTITY, MAX_POOL) if task[0] == "x" else (MAX_POOL, IDENTITY)
        know(task, {good: 0.8 + number / 1000, MEAN_POOL: 0.7, bad: 0.6})
    with unit_of_work(engine) as registry:
        for task in tasks:
            registry.results.store_network(
                key=task,
                architecture=ARCHITECTURE,
                seed=0,
                classes=2,
                weights="w" * 64,
                parameters=1,
                validation_accuracy=0.9,
                validation_balanced_accuracy=0.9,
                seconds=1.0,
            )
            registry.task_results.link_network(task, 0, task)
        rows = [
            {
                "source_network": source,
                "target_network": target,
                "data_key": target,
                "measure": MEASURE,
                "recipe_digest": default_recipe(ARCHITECTURE).digest,
                "value": 0.1 if source[0] == target[0].replace("t", "x") else 1.0,
                "signed": 0.1,
                "standard_error": None,
                "contributions": None,
            }
            for source in tasks[:-1]
            for target in tasks
            if source != target
        ]
        registry.results.store_distances(rows)
    chosen = choose(" ".join(tasks[:-1]), task_id="target-of-target")
    assert chosen.memory is not None
    assert chosen.memory["closeness"] == HELPS
    assert chosen.cells == (IDENTITY,)
    assert choose(" ".join(tasks[:-1])).cells == (MAX_POOL,), "without distances to the target all tasks count alike"
