"""The trained cells of a task: from a study at its registration, and from the answer of its recommendation."""

from collections.abc import Callable
from typing import Any

import pytest
from safetensors.torch import load as load_safetensors

from ldnas.data.dataset import Split
from ldnas.data.task_data import _Selection
from ldnas.networks.design import design_from_json
from ldnas.networks.designed import build_designed
from ldnas.space.skeleton import default_skeleton
from ldnas.training.final import final_config
from worker.jobs import checkpoints
from worker.jobs.stages import fitting, train
from worker.queue import runner
from worker.queue.exit_codes import Ending
from worker.registry import Engine, JobRow, JobState, TaskCell, reading, unit_of_work
from worker.settings import Settings
from worker.storage.artifacts import open_store

ACROSS = {"groups": [["across"]], "rest": True, "balance": False}


@pytest.fixture
def cells_of(engine: Engine) -> Callable[[str], list[TaskCell]]:
    def read(task_id: str) -> list[TaskCell]:
        with reading(engine) as registry:
            return registry.task_results.cells(task_id)

    return read


def stages_of(engine: Engine, job_id: str) -> list[str]:
    with reading(engine) as registry:
        return [event.data["stage"] for event in registry.jobs.events_after(job_id) if event.kind == "stage"]


def test_a_study_trains_the_best_cells_in_full_without_test_images(
    engine: Engine, settings: Settings, add_task, finish, cells_of, monkeypatch
) -> None:
    read, tests, epochs = _Selection.image_set, [], []

    def note(selection: Any, split: Split, *arguments: Any) -> Any:
        tests.extend([split] if split is Split.TEST else [])
        return read(selection, split, *arguments)

    fit = fitting.fit

    def count(network: Any, images: Any, **options: Any) -> None:
        if options["config"].averaged:
            epochs.append(options["config"].epochs_for(len(images)))
        fit(network, images, **options)

    monkeypatch.setattr(_Selection, "image_set", note)
    monkeypatch.setattr(fitting, "fit", count)
    job_id = add_task("three", repetitions=1, study=2)
    job = finish(job_id)
    assert job.state is JobState.SUCCEEDED, job.error
    assert stages_of(engine, job_id) == ["resolve", "fit", "search", "study"]
    assert job.progress["fraction"] == pytest.approx(1)
    cells = cells_of("three")
    with reading(engine) as registry:
        best = [row.genotype for row in registry.task_results.genotypes("three")]
    assert sorted(map(str, best)) == sorted(str(cell.design["genotype"]) for cell in cells)
    assert {str(cell.design["skeleton"]) for cell in cells} == {str(default_skeleton(16, 3).to_json())}
    for cell in cells:
        network = build_designed(design_from_json(cell.design), seed=0)
        network.load_state_dict(load_safetensors(open_store(settings.artifact_url).read(cell.network.weights)))
        assert cell.network.classes == 3
    assert epochs == [1, 1], "the recipe of a final training, which the tests cut to one epoch"
    assert tests == []


def test_a_study_of_one_cell_trains_the_best_genotype(engine: Engine, add_task, finish, cells_of) -> None:
    finish(add_task("three", repetitions=1, study=1))
    (cell,) = cells_of("three")
    with reading(engine) as registry:
        assert cell.design["genotype"] == registry.task_results.genotypes("three")[0].genotype


def test_without_a_study_no_cell_is_trained(engine: Engine, add_task, finish, cells_of) -> None:
    job_id = add_task("three", repetitions=1)
    assert finish(job_id).state is JobState.SUCCEEDED
    assert stages_of(engine, job_id) == ["resolve", "fit", "search"]
    assert cells_of("three") == []


def test_a_study_that_was_killed_ends_as_the_unbroken_one(
    settings: Settings, engine: Engine, add_task, claim, finish, cells_of, monkeypatch
) -> None:
    monkeypatch.setattr(train, "final_config", lambda *facts, **wishes: final_config(*facts, **{**wishes, "epochs": 3}))
    monkeypatch.setattr(checkpoints, "INTERVAL_SECONDS", 0.0)
    fit, begun, states = fitting.fit, [], []

    def lose_the_disk_in_the_second_cell(network: Any, *arguments: Any, **options: Any) -> None:
        report_epoch = options["on_epoch"]

        def on_epoch(state: Any) -> None:
            report_epoch(state)
            if state.epoch == 2 and len(begun) == 2:
                raise OSError("no space left on device")

        if options["config"].averaged:  # only the recipe of the final training averages
            begun.append(options["seed"])
            options["on_epoch"] = on_epoch
        fit(network, *arguments, **options)

    def note(network: Any, *arguments: Any, **options: Any) -> None:
        if options["config"].averaged:
            states.append(options["state"] and options["state"].epoch)
        fit(network, *arguments, **options)

    job_id = add_task("broken", repetitions=1, study=2)
    with monkeypatch.context() as broken:
        broken.setattr(fitting, "fit", lose_the_disk_in_the_second_cell)
        assert runner.run(settings, engine, job_id, claim(job_id).attempt) is Ending.RELEASED
    assert len(cells_of("broken")) == 1
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE jobs SET run_after = 0")
    monkeypatch.setattr(fitting, "fit", note)
    assert finish(job_id).state is JobState.SUCCEEDED
    assert states == [2]
    resumed = [(cell.network.key, cell.network.weights, dict(cell.design)) for cell in cells_of("broken")]
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM task_cells")
        connection.exec_driver_sql("DELETE FROM networks WHERE architecture LIKE 'cell:%'")
    assert finish(add_task("unbroken", repetitions=1, study=2)).state is JobState.SUCCEEDED
    assert states == [2, None, None]
    unbroken = [(cell.network.key, cell.network.weights, dict(cell.design)) for cell in cells_of("unbroken")]
    assert len(resumed) == 2
    assert unbroken == resumed


@pytest.fixture
def recommended(engine: Engine, add_recommendation, finish: Callable[[str], JobRow]) -> Callable[..., dict[str, Any]]:
    """The document of a finished recommendation with this request."""

    def ask(**request: Any) -> dict[str, Any]:
        job = finish(add_recommendation(labels=ACROSS, repetitions=1, request=request))
        assert job.state is JobState.SUCCEEDED, job.error
        with reading(engine) as registry:
            return registry.recommendations.get("answer").document

    return ask


def test_a_promoted_target_brings_the_cell_that_its_recommendation_ended_with(
    engine: Engine, settings: Settings, recommended, cells_of
) -> None:
    answer = recommended()
    (cell,) = cells_of("target-of-answer")
    assert cell.design == answer["architecture"]["design"]
    with unit_of_work(engine) as registry:
        architecture = registry.architectures.get(answer["architecture"]["id"])
        assert registry.recommendations.promote("answer", "stripes").id == "target-of-answer"
    exported, stored = (
        load_safetensors(open_store(settings.artifact_url).read(row.weights)) for row in (architecture, cell.network)
    )
    assert exported.keys() == stored.keys()
    assert all(bool((tensor == stored[name]).all()) for name, tensor in exported.items())
    assert [found.network.key for found in cells_of("target-of-answer")] == [cell.network.key]


def test_a_cell_that_started_from_the_weights_of_another_task_is_not_linked(
    add_task, finish, recommended, cells_of
) -> None:
    """The images of that task formed its weights too, and `TaskRow.seen_images` of the target does not list them."""
    finish(add_task("three", repetitions=1))
    assert recommended(final={"warm_start": True})["warm_start"]["name"] == "three"
    assert cells_of("target-of-answer") == []


@pytest.mark.parametrize(("kind", "linked"), [("cell", 1), ("plain", 0)])
def test_a_race_links_its_winner_if_it_is_a_cell(recommended, cells_of, kind: str, linked: int) -> None:
    recommended(search={"strategy": "race"}, budget={"seconds": 1}, candidates=[kind])
    assert len(cells_of("target-of-answer")) == linked
