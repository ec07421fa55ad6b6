"""The trained cells of the closest task in a race: they start from their weights."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load as load_safetensors

from ldnas.data.dataset import ImageDataset, Split
from ldnas.data.load import load_dataset
from ldnas.data.reference import DatasetReference
from ldnas.networks.design import Kind
from ldnas.networks.designed import build_designed
from ldnas.race.candidate import Candidate
from ldnas.race.race import RaceProblem
from ldnas.space.genotype import Genotype
from worker.jobs.stages import race, race_candidates
from worker.queue import runner
from worker.queue.exit_codes import Ending
from worker.registry import Engine, JobRow, JobState, TaskCell, reading
from worker.settings import Settings
from worker.storage.artifacts import open_store

pytestmark = pytest.mark.usefixtures("ticking_races")

HEAD = {"head.weight", "head.bias"}


@pytest.fixture
def fields(monkeypatch: pytest.MonkeyPatch) -> list[list[Candidate]]:
    """The candidates of each race that begins."""
    found: list[list[Candidate]] = []
    whole = race.Race

    def note(problem: RaceProblem, candidates: list[Candidate], **options: Any) -> Any:
        found.append(candidates)
        return whole(problem, candidates, **options)

    monkeypatch.setattr(race, "Race", note)
    return found


@pytest.fixture
def add_source(
    engine: Engine, add_task: Callable[..., str], finish: Callable[[str], JobRow]
) -> Callable[..., TaskCell]:
    """Registers the baseline `three` with a study; gives its trained cell."""

    def add(**columns: Any) -> TaskCell:
        assert finish(add_task("three", repetitions=1, study={"cells": 1}, **columns)).state is JobState.SUCCEEDED
        with reading(engine) as registry:
            (cell,) = registry.task_results.cells("three")
        return cell

    return add


def name_of(cell: TaskCell) -> str:
    return f"cell {Genotype.from_json(cell.design['genotype']).digest[:8]} from three at 16 px"


def test_the_trained_cell_of_the_closest_task_takes_part_with_its_weights_but_for_the_head(
    settings: Settings, engine: Engine, add_source, add_race, finish, document_of, fields
) -> None:
    cell = add_source()
    assert finish(add_race()).state is JobState.SUCCEEDED
    document = document_of()
    assert document["closest"]["name"] == "three"
    assert document["search_space"]["source_task_ids"] == [], "known cells may have any primitives"
    with reading(engine) as registry:
        scored = {row.digest for row in registry.task_results.genotypes("three")}
        trained = {Genotype.from_json(own.training.genotype).digest for own in registry.task_results.trainings("three")}
    assert document["search"]["memory"] == {
        "tasks": 1,
        "cells": len(scored | trained),
        "starter": False,
        "closeness": "all tasks count alike: too few tasks to say whether closeness predicts cell scores",
    }
    fresh = [own["design"] for own in document["alternatives"] if own["started_from"] is None]
    cold = {Genotype.from_json(design["genotype"]).digest for design in fresh if design["kind"] == "cell"}
    assert len(cold & (scored | trained)) == 1
    entry = next(own for own in document["alternatives"] if own["name"] == name_of(cell))
    assert (entry["kind"], entry["started_from"]) == ("cell", "three")
    assert entry["design"]["skeleton"] == {**cell.design["skeleton"], "classes": 2}
    assert entry["epochs"] > 0
    (field,) = fields
    order = [(own.kind, own.started_from) for own in field]
    assert list(dict.fromkeys(order)) == [
        (Kind.PRETRAINED, "ImageNet"),
        (Kind.CELL, "three"),
        (Kind.CELL, None),
        (Kind.PLAIN, None),
    ]
    warm = next(own for own in field if own.name == name_of(cell))
    begin, fresh = warm.build(5).state_dict(), build_designed(warm.design, seed=5).state_dict()
    stored = load_safetensors(open_store(settings).read(cell.network.weights))
    assert begin.keys() == stored.keys() > HEAD
    for name, tensor in begin.items():
        assert torch.equal(tensor, (fresh if name in HEAD else stored)[name]), name
    assert not torch.equal(fresh["stem.0.weight"], stored["stem.0.weight"])


@pytest.mark.long
def test_without_cells_in_the_race_no_trained_cell_is_read(
    add_source, add_race, finish, fields, document_of, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_source()
    monkeypatch.setattr(race_candidates, "find_warm_cells", lambda *arguments: pytest.fail("no cell may race"))
    asked = {"strategy": "race", "space": "primitives"}
    assert finish(add_race(candidates=["plain"], search=asked)).state is JobState.SUCCEEDED
    assert {own.kind for own in fields[0]} == {Kind.PLAIN}
    assert document_of()["search_space"]["source_task_ids"] == ["three"]
    assert "memory" not in document_of()["search"], "no cell was chosen"


def read_stripes(folder: Path) -> ImageDataset:
    reference = DatasetReference.from_json({"uri": folder.as_uri()})
    return load_dataset(reference, roots=[folder], cache=folder)


def images_of(dataset: ImageDataset, *splits: Split) -> set[bytes]:
    return {dataset.images[place].tobytes() for split in splits for place in dataset.indices(split)}


def test_a_source_that_has_read_validation_images_of_the_target_does_not_take_part(
    stripes_folder: Path, add_source, add_race, finish, document_of, fields
) -> None:
    target = read_stripes(stripes_folder)
    folder = stripes_folder.with_name("others")
    shutil.copytree(stripes_folder, folder)
    tested = images_of(target, Split.TEST)
    for path in folder.rglob("*.png"):
        if np.asarray(Image.open(path)).tobytes() in tested:  # otherwise the baseline could not be the closest task
            path.unlink()
    source = read_stripes(folder)
    seen = len(images_of(target, Split.VALIDATION) & images_of(source, Split.TRAIN, Split.VALIDATION))
    assert seen > 0
    cell = add_source(dataset={"uri": folder.as_uri()})
    assert finish(add_race(candidates=["cell"])).state is JobState.SUCCEEDED
    assert document_of()["closest"]["name"] == "three"
    warning = (
        f"no trained cell of three took part in the race: it was trained or validated on {seen} of the target's "
        "validation or test images"
    )
    assert warning in document_of()["warnings"]
    assert name_of(cell) not in {own.name for own in fields[0]}


@pytest.mark.long
def test_a_later_attempt_races_the_cells_of_the_first_one(
    settings: Settings, engine: Engine, add_source, add_race, claim, finish, monkeypatch, document_of, fields
) -> None:
    def lose_the_disk(*arguments: Any, **options: Any) -> None:
        raise OSError("no space left on device")

    cell = add_source()
    job_id = add_race(candidates=["cell"])
    with monkeypatch.context() as broken:
        broken.setattr(race, "Race", lose_the_disk)
        assert runner.run(settings, engine, job_id, claim(job_id).attempt) is Ending.RELEASED
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE jobs SET run_after = 0")
        connection.exec_driver_sql("DELETE FROM task_cells")  # as if the baseline were deleted
    assert finish(job_id).state is JobState.SUCCEEDED
    assert fields[0][0].name == name_of(cell)
    assert name_of(cell) in {entry["name"] for entry in document_of()["alternatives"]}
