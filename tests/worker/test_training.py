"""The job `train_architecture`: a cell that was found, trained on other data."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ldnas.space.skeleton import Skeleton, Stage, default_skeleton
from worker.jobs import train_again as training
from worker.jobs.stages import export as export_stage
from worker.queue import runner
from worker.queue.exit_codes import Ending
from worker.registry import Engine, JobKind, JobRow, JobState, TaskRole, reading, unit_of_work
from worker.settings import Settings
from worker.storage.artifacts import open_store

CELL = {"edges": [[0, 1, "max_pool_3x3"], [0, 2, "identity"], [1, 2, "identity"], [0, 3, "sep_conv_3x3"]]}
CELL["edges"] += [[1, 3, "identity"], [2, 3, "avg_pool_3x3"]]
NARROW = Skeleton(16, 2, 4, (Stage(4, 1), Stage(8, 1), Stage(16, 1)))
TASK = {"architecture": None, "epsilon": 0.2, "repetitions": 1, "seed": 0, "image_size": 16}


@pytest.fixture
def add_training(engine: Engine, stripes_folder: Path) -> Callable[..., str]:
    """An architecture with two classes, and the wish to train it on all three kinds of stripes; the job's id."""

    def add(**columns: Any) -> str:
        with unit_of_work(engine) as registry:
            finished = registry.jobs.insert(JobKind.RECOMMEND, {})
            documents = {name: {} for name in ("preprocessing", "validation", "test")}
            registry.architectures.insert_once(
                id="found",
                job_id=finished.id,
                name="found",
                genotype=CELL,
                skeleton=NARROW.to_json(),
                class_names=["a", "b"],
                parameters=1,
                macs=1,
                **documents,
                **{file: file for file in ("weights", "code", "program", "onnx", "card")},
            )
            params = {"architecture_id": "new", "source_architecture_id": "found", "task_id": "stripes"}
            job = registry.jobs.insert(JobKind.TRAIN_ARCHITECTURE, params)
            values = {**TASK, "labels": None, "dataset": {"uri": stripes_folder.as_uri()}, **columns}
            registry.tasks.insert(id="stripes", name="three stripes", role=TaskRole.TARGET, job_id=job.id, **values)
        return job.id

    return add


def test_the_cell_is_trained_on_the_new_classes_and_stored_once(
    engine: Engine,
    settings: Settings,
    add_training: Callable[..., str],
    finish: Callable[[str], JobRow],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = training.export

    def export_twice(*arguments: Any, **options: Any) -> str:
        whole(*arguments, **options)
        return whole(*arguments, **options)

    monkeypatch.setattr(training, "export", export_twice)
    job = finish(add_training())
    assert job.state is JobState.SUCCEEDED
    assert job.result["architecture_id"] == "new"
    assert [warning.partition(":")[0] for warning in job.result["warnings"]] == ["little data"]
    with reading(engine) as registry:
        row = registry.architectures.get("new")
        assert len(registry.architectures.list()) == 2
        assert [event.data["stage"] for event in registry.jobs.events_after(job.id) if event.kind == "stage"] == [
            "resolve",
            "train",
            "export",
        ]
        assert registry.results.artifact(row.card).media_type.startswith("text/markdown")
    assert (row.name, row.recommendation_id, row.job_id) == ("three stripes", None, job.id)
    assert row.genotype == CELL
    assert row.class_names == ["across", "down", "plain"]
    assert Skeleton.from_json(row.skeleton) == replace(NARROW, classes=3)
    assert row.test["accuracy"] == job.result["test"]["accuracy"]
    card = open_store(settings).read(row.card).decode()
    assert "found as architecture: `found`" in card
    assert "| 2 | plain |" in card


def test_an_attempt_that_broke_off_in_the_export_is_taken_up_there(
    engine: Engine, settings: Settings, add_training, claim, finish, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = add_training()

    def lose_the_disk(*arguments: Any) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(export_stage, "save_weights", lose_the_disk)
        assert runner.run(settings, engine, job_id, claim(job_id).attempt) is Ending.RELEASED
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE jobs SET run_after = 0")
    monkeypatch.setattr("worker.jobs.stages.fitting.fit", lose_the_disk)  # nothing is left to fit
    assert finish(job_id).state is JobState.SUCCEEDED


def test_a_label_that_the_new_data_lacks_fails_with_its_field(add_training, finish) -> None:
    job = finish(add_training(labels={"groups": [["acros"]], "rest": True, "balance": False}))
    assert (job.state, job.error["code"]) == (JobState.FAILED, "unknown_label")
    assert job.error["field"].startswith("labels")


def test_images_of_another_size_get_the_skeleton_for_that_size(engine: Engine, add_training, finish) -> None:
    finish(add_training(image_size=8))
    with reading(engine) as registry:
        assert Skeleton.from_json(registry.architectures.get("new").skeleton) == default_skeleton(8, 3)
