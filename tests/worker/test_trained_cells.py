"""The trained cells of a task: from the study at its registration, and from later ones."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from safetensors.torch import load as load_safetensors

from ldnas.data.dataset import Split
from ldnas.data.task_data import _Selection
from ldnas.errors import ImpossibleConstraintError
from ldnas.networks.design import design_from_json
from ldnas.networks.designed import build_designed
from ldnas.space.genotype import Genotype
from ldnas.space.skeleton import default_skeleton
from ldnas.training.final import final_config
from worker.jobs import checkpoints
from worker.jobs.stages import fitting, study, train
from worker.queue import runner
from worker.queue.exit_codes import Ending
from worker.registry import Engine, JobKind, JobRow, JobState, reading, unit_of_work
from worker.settings import Settings
from worker.specification import StudyRequest
from worker.storage.artifacts import open_store


def stages_of(engine: Engine, job_id: str) -> list[str]:
    with reading(engine) as registry:
        return [event.data["stage"] for event in registry.jobs.events_after(job_id) if event.kind == "stage"]


@pytest.fixture
def epochs_of(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The epochs of every training of a cell, in their order; a training in full has four."""
    monkeypatch.setattr(train, "final_config", lambda *facts, **wishes: final_config(*facts, **{**wishes, "epochs": 4}))
    fit, epochs = fitting.fit, []

    def count(network: Any, images: Any, **options: Any) -> None:
        if options["config"].averaged:  # only the recipe of the final training averages
            epochs.append(options["config"].epochs_for(len(images)))
        fit(network, images, **options)

    monkeypatch.setattr(fitting, "fit", count)
    return epochs


def test_a_study_tries_cells_and_trains_the_best_in_full_without_test_images(
    engine: Engine, settings: Settings, add_task, finish, cells_of, trainings_of, epochs_of, monkeypatch
) -> None:
    read, tests = _Selection.image_set, []

    def note(selection: Any, split: Split, *arguments: Any) -> Any:
        tests.extend([split] if split is Split.TEST else [])
        return read(selection, split, *arguments)

    monkeypatch.setattr(_Selection, "image_set", note)
    job_id = add_task("three", repetitions=1, study={"cells": 2})
    job = finish(job_id)
    assert job.state is JobState.SUCCEEDED, job.error
    assert stages_of(engine, job_id) == ["resolve", "fit", "search", "study"]
    assert job.progress["fraction"] == pytest.approx(1)
    assert epochs_of == [1] * 6 + [4] * 4
    trials, full = ([own for own in trainings_of("three") if own.training.epochs == epochs] for epochs in (1, 4))
    with reading(engine) as registry:
        known = [row.genotype for row in registry.task_results.genotypes("three")]
    assert [cell for cell in known if all(own.training.genotype != cell for own in trials)] == []
    best = sorted(trials, key=lambda own: (-own.training.validation_accuracy, own.training.validation_loss))[:2]
    assert {str(own.training.genotype) for own in full} == {str(own.training.genotype) for own in best}
    cells = {str(cell.design["genotype"]): cell for cell in cells_of("three")}
    assert {str(cell.design["skeleton"]) for cell in cells.values()} == {str(default_skeleton(16, 3).to_json())}
    for genotype, cell in cells.items():
        mine = [own for own in full if str(own.training.genotype) == genotype]
        assert len({own.training.seed for own in mine}) == 2
        winner = min(mine, key=lambda own: (-own.training.validation_accuracy, own.training.validation_loss))
        assert [own.training.key for own in mine if own.weights] == [winner.training.key] == [cell.network.key]
        network = build_designed(design_from_json(cell.design), seed=0)
        network.load_state_dict(load_safetensors(open_store(settings).read(cell.network.weights)))
    assert len(cells) == 2
    assert not any(own.weights for own in trials)
    assert tests == []


@pytest.fixture
def ten_seconds_an_epoch(epochs_of, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the clock of jobs an epoch of a cell takes ten seconds, as forecast, and nothing else takes any."""
    clock, fit, context_of = [0.0], fitting.fit, runner._Attempt._context

    def take_long(network: Any, images: Any, **options: Any) -> None:
        fit(network, images, **options)
        clock[0] += 10 * options["config"].epochs_for(len(images))

    def with_clock(*arguments: Any) -> Any:
        context = context_of(*arguments)
        context.clock = lambda: clock[0]
        return context

    monkeypatch.setattr(runner._Attempt, "_context", with_clock)
    monkeypatch.setattr(fitting, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(fitting, "fit", take_long)
    monkeypatch.setattr(study, "seconds_of_epoch", lambda *arguments, **options: 10.0)


@pytest.mark.usefixtures("ten_seconds_an_epoch")
@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (5, [1]),  # at least one epoch of one cell
        (25, [2]),  # two trials take 20 s, more than a third
        (100, [1, 1, 1, 4]),  # the second seed would end after 110 s
        (110, [1, 1, 1, 4, 4]),
    ],
)
def test_a_study_begins_only_trainings_that_its_seconds_suffice_for(
    add_task, finish, epochs_of, seconds: float, expected: list[int]
) -> None:
    finish(add_task("three", repetitions=1, study={"cells": 1, "seconds": seconds}))
    assert epochs_of == expected


@pytest.mark.usefixtures("ten_seconds_an_epoch")
def test_a_default_study_that_its_seconds_do_not_suffice_for_trains_nothing(
    add_task, finish, epochs_of, monkeypatch
) -> None:
    monkeypatch.setattr(study, "default_study", lambda images: StudyRequest(cells=1, seconds=5))
    assert finish(add_task("three", repetitions=1, default_study=True)).state is JobState.SUCCEEDED
    assert epochs_of == []


@pytest.mark.usefixtures("ten_seconds_an_epoch")
@pytest.mark.parametrize(("seconds", "again"), [(5, True), (None, False)])
def test_only_a_cell_that_was_trained_for_all_epochs_is_not_tried_again(
    add_task, add_study, finish, cells_of, monkeypatch, seconds: float | None, again: bool
) -> None:
    finish(add_task("three", repetitions=1, study={"cells": 1, "seconds": seconds}))
    (cell,) = cells_of("three")
    genotype, explore, admitted = Genotype.from_json(cell.design["genotype"]), study.explore, list[bool]()

    def note(pooled: Any, count: int, seed: int, admits: Callable[[Genotype], bool]) -> Any:
        admitted.append(admits(genotype))
        return explore(pooled, count, seed, admits)

    monkeypatch.setattr(study, "explore", note)
    assert finish(add_study("three", cells=1)).state is JobState.SUCCEEDED
    assert admitted == [again]


@pytest.mark.usefixtures("ten_seconds_an_epoch")
def test_the_seconds_of_an_earlier_attempt_count(
    settings: Settings, engine: Engine, add_task, claim, finish, epochs_of, monkeypatch
) -> None:
    fit = fitting.fit

    def lose_the_disk_in_full_trainings(network: Any, images: Any, **options: Any) -> None:
        if options["config"].averaged and options["config"].epochs == 4:
            raise OSError("no space left on device")
        fit(network, images, **options)

    job_id = add_task("three", repetitions=1, study={"cells": 1, "seconds": 100})
    with monkeypatch.context() as broken:
        broken.setattr(fitting, "fit", lose_the_disk_in_full_trainings)
        assert runner.run(settings, engine, job_id, claim(job_id).attempt) is Ending.RELEASED
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE jobs SET run_after = 0")
    finish(job_id)
    assert epochs_of == [1, 1, 1, 4], "the second seed would end after 110 s"


@pytest.mark.parametrize(("images", "seconds"), [(90, 10), (600, 10), (1260, 21), (10_800, 180), (60_000, 180)])
def test_the_seconds_of_a_default_study_grow_with_the_images(images: int, seconds: float) -> None:
    assert study.default_study(images).model_dump() == {"cells": 2, "seconds": seconds}


def test_a_baseline_whose_request_names_no_study_gets_the_default_one(
    engine: Engine, add_task, finish, monkeypatch
) -> None:
    asked = []
    monkeypatch.setattr(study, "study_cells", lambda *arguments, **options: asked.append((arguments[2], options)))
    job_id = add_task("three", repetitions=1, default_study=True)
    assert finish(job_id).state is JobState.SUCCEEDED
    assert stages_of(engine, job_id) == ["resolve", "fit", "search", "study"]
    assert asked == [(study.default_study(0), {"trains_one": False})], "the stripes have few images"


def fail_in(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Lets every study fail after its first trial."""

    def fail(*arguments: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr(study._Study, "_choose", fail)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ImpossibleConstraintError("no cell fits"), "no cell fits"),
        (ValueError("a bug"), "an internal error, which is in the log"),
        (RuntimeError("CUDA out of memory."), "memory did not suffice"),
    ],
)
def test_a_default_study_that_fails_leaves_a_ready_baseline_and_a_warning(
    engine: Engine, add_task, add_study, finish, cells_of, monkeypatch, error: Exception, reason: str
) -> None:
    with monkeypatch.context() as broken:
        fail_in(broken, error)
        job = finish(add_task("three", repetitions=1, default_study=True))
    assert job.state is JobState.SUCCEEDED, job.error
    (warning,) = job.result["warnings"]
    assert warning == (
        f"the study that a registration ends with failed, so the baseline may have fewer trained cells: {reason}; "
        "POST /v1/tasks/three/study repeats it"
    )
    assert cells_of("three") == []
    assert finish(add_study("three", cells=1)).state is JobState.SUCCEEDED
    assert len(cells_of("three")) == 1


def test_a_requested_study_that_fails_fails_the_registration(add_task, finish, monkeypatch) -> None:
    fail_in(monkeypatch, ImpossibleConstraintError("no cell fits"))
    job = finish(add_task("three", repetitions=1, study={"cells": 1}))
    assert (job.state, job.error["detail"]) == (JobState.FAILED, "no cell fits")


def test_a_default_study_whose_disk_is_full_is_tried_again(
    settings: Settings, engine: Engine, add_task, claim, monkeypatch
) -> None:
    fail_in(monkeypatch, OSError("no space left on device"))
    job_id = add_task("three", repetitions=1, default_study=True)
    assert runner.run(settings, engine, job_id, claim(job_id).attempt) is Ending.RELEASED


@pytest.mark.parametrize("killed_in", ["study", "crash in study"])
def test_a_default_study_in_which_the_process_died_is_left_out(
    engine: Engine, add_task, finish, epochs_of, killed_in: str
) -> None:
    job_id = add_task("three", repetitions=1, default_study=True)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE jobs SET killed_in = '{killed_in}'")
    job = finish(job_id)
    assert job.state is JobState.SUCCEEDED
    assert "its process was killed or crashed" in job.result["warnings"][0]
    assert epochs_of == []


def test_the_fewest_images_that_a_baseline_takes_suffice_for_its_study(add_task, finish, stripes_folder: Path) -> None:
    for path in stripes_folder.rglob("*.png"):
        if int(path.stem) > 4 or path.parent.name == "plain":
            path.unlink()
    (stripes_folder / "plain").rmdir()
    job = finish(add_task("two", repetitions=1, default_study=True))
    assert job.state is JobState.SUCCEEDED, job.error
    assert job.result["warnings"] == []


@pytest.fixture
def add_study(engine: Engine) -> Callable[..., str]:
    """Queues a study of the task; gives the id of its job."""

    def add(task_id: str, *, idle: bool = False, **study: Any) -> str:
        with unit_of_work(engine) as registry:
            params = {"task_id": task_id, "study": study, "idle": idle}
            return registry.jobs.insert(JobKind.STUDY, params, priority=-101 if idle else 0).id

    return add


def test_a_later_study_trains_other_cells(add_task, add_study, finish, cells_of) -> None:
    finish(add_task("three", repetitions=1, study={"cells": 1}))
    job = finish(add_study("three", cells=1))
    assert (job.state, job.result) == (JobState.SUCCEEDED, {"task_id": "three", "cells": 1})
    assert len({str(cell.design["genotype"]) for cell in cells_of("three")}) == 2


@pytest.mark.parametrize("is_idle", [False, True])
@pytest.mark.parametrize("moment", [1, 3, 4, 5])
def test_two_studies_of_one_baseline_at_once_store_each_training_once_and_lose_no_weights(
    settings: Settings,
    add_task,
    add_study,
    finish,
    cells_of,
    trainings_of,
    epochs_of,
    monkeypatch,
    is_idle: bool,
    moment: int,
) -> None:
    """The second study runs from its beginning to its end within one of the five trainings of the first."""
    finish(add_task("three", repetitions=1))
    first, second = add_study("three", cells=1), add_study("three", cells=1, idle=is_idle)
    fit, others = fitting.fit, list[JobRow]()

    def fit_after_the_other_study(network: Any, images: Any, **options: Any) -> None:
        if options["config"].averaged and len(epochs_of) == moment - 1 and not others:
            monkeypatch.setattr(fitting, "fit", fit)
            others.append(finish(second))
        fit(network, images, **options)

    monkeypatch.setattr(fitting, "fit", fit_after_the_other_study)
    jobs = [finish(first), *others]
    assert [job.state for job in jobs] == [JobState.SUCCEEDED] * 2
    kinds = [(str(own.training.genotype), own.training.epochs, own.training.seed) for own in trainings_of("three")]
    assert len(set(kinds)) == len(kinds)
    in_full = {genotype for genotype, epochs, _ in kinds if epochs == 4}
    cells = {str(cell.design["genotype"]): cell for cell in cells_of("three")}
    assert cells.keys() == in_full
    assert len(cells) == len(cells_of("three"))
    for genotype, cell in cells.items():
        own = [each.training for each in trainings_of("three") if str(each.training.genotype) == genotype]
        assert cell.network.validation_accuracy == max(each.validation_accuracy for each in own if each.epochs == 4)
        network = build_designed(design_from_json(cell.design), seed=0)
        network.load_state_dict(load_safetensors(open_store(settings).read(cell.network.weights)))


def test_an_idle_study_gives_way_to_another_job_and_resumes(
    settings: Settings, engine: Engine, add_task, add_study, claim, finish, cells_of, epochs_of
) -> None:
    finish(add_task("three", repetitions=1))
    other = add_task("other", repetitions=1)
    job_id = add_study("three", idle=True, cells=1)
    assert runner.run(settings, engine, job_id, claim(job_id).attempt) is Ending.SAVED
    assert cells_of("three") == []
    assert epochs_of == [1], "it ends after the first trial"
    with unit_of_work(engine) as registry:
        registry.jobs.request_cancel(other)
        registry.leases.release(job_id, 1, reason="the runner was asked to end", counts_as_failure=False)
    assert finish(job_id).state is JobState.SUCCEEDED
    assert len(cells_of("three")) == 1
    assert epochs_of == [1, 1, 1, 4, 4]


def test_without_a_study_no_cell_is_trained(engine: Engine, add_task, finish, cells_of) -> None:
    job_id = add_task("three", repetitions=1)
    assert finish(job_id).state is JobState.SUCCEEDED
    assert stages_of(engine, job_id) == ["resolve", "fit", "search"]
    assert cells_of("three") == []


def test_a_study_that_was_killed_ends_as_the_unbroken_one_and_trains_nothing_twice(
    settings: Settings, engine: Engine, add_task, claim, finish, cells_of, trainings_of, epochs_of, monkeypatch
) -> None:
    monkeypatch.setattr(checkpoints, "INTERVAL_SECONDS", 0.0)
    fit, states = fitting.fit, []

    def lose_the_disk_in_the_second_full_training(network: Any, *arguments: Any, **options: Any) -> None:
        report_epoch = options["on_epoch"]

        def on_epoch(state: Any) -> None:
            report_epoch(state)
            if state.epoch == 2 and epochs_of.count(4) == 2:
                raise OSError("no space left on device")

        fit(network, *arguments, **{**options, "on_epoch": on_epoch})

    def note(network: Any, *arguments: Any, **options: Any) -> None:
        if options["config"].averaged:
            states.append(options["state"] and options["state"].epoch)
        fit(network, *arguments, **options)

    def results(task_id: str) -> list[Any]:
        cells = [(cell.network.key, cell.network.weights, dict(cell.design)) for cell in cells_of(task_id)]
        return [*cells, *(replace(own.training, seconds=0.0) for own in trainings_of(task_id))]

    job_id = add_task("broken", repetitions=1, study={"cells": 1})
    with monkeypatch.context() as broken:
        broken.setattr(fitting, "fit", lose_the_disk_in_the_second_full_training)
        assert runner.run(settings, engine, job_id, claim(job_id).attempt) is Ending.RELEASED
    assert len(trainings_of("broken")) == 4
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE jobs SET run_after = 0")
        trials = "SELECT key FROM cell_trainings WHERE epochs = 1"
        connection.exec_driver_sql(f"DELETE FROM networks WHERE key IN ({trials})")  # a finished trial needs no network
    monkeypatch.setattr(fitting, "fit", note)
    assert finish(job_id).state is JobState.SUCCEEDED
    assert states == [2]
    resumed = results("broken")
    with engine.begin() as connection:
        for table in ("task_cells", "task_genotypes", "cell_trainings"):  # the second task knows no more than the first
            connection.exec_driver_sql(f"DELETE FROM {table}")
        connection.exec_driver_sql("DELETE FROM networks WHERE architecture LIKE 'cell:%'")
    assert finish(add_task("unbroken", repetitions=1, study={"cells": 1})).state is JobState.SUCCEEDED
    assert states == [2, *[None] * 5]
    assert len(resumed) == 6
    assert results("unbroken") == resumed
