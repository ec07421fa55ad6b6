"""A final training that starts from the weights of the closest task's network: the sources it accepts and refuses."""

import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load as load_safetensors

from ldnas.data.dataset import Split
from ldnas.data.load import load_dataset
from ldnas.data.reference import DatasetReference
from ldnas.data.task_data import _Selection
from ldnas.digests import json_digest
from ldnas.space.genotype import Genotype
from ldnas.space.network import build_cell_network
from ldnas.space.skeleton import Skeleton
from ldnas.training.final import final_config
from ldnas.training.train import TrainConfig
from worker.jobs import checkpoints
from worker.jobs import recommend as recommendation
from worker.jobs.stages import fitting, train
from worker.jobs.stages.baselines import ClosestTask
from worker.jobs.stages.fitting import FitPlan
from worker.jobs.stages.warm_start import WarmStartFailedError, _affordable_epochs, _read, source_work, train_source
from worker.queue import runner
from worker.queue.exit_codes import Ending
from worker.registry import Engine, JobKind, JobRow, JobState, TaskRow, reading, unit_of_work
from worker.settings import Settings
from worker.storage.artifacts import open_store

ACROSS = {"groups": [["across"]], "rest": True, "balance": False}
WARM = {"final": {"warm_start": True}}
Begins = list[tuple[int, dict[str, torch.Tensor]]]


@pytest.fixture
def source(add_task: Callable[..., str], finish: Callable[[str], JobRow], stripes_folder: Path) -> Path:
    """The folder of a baseline of three classes, next to the target's and of equal content."""
    folder = stripes_folder.with_name("three")
    shutil.copytree(stripes_folder, folder)
    finish(add_task("three", repetitions=1, dataset={"uri": folder.as_uri()}))
    return folder


@pytest.fixture
def answer(
    engine: Engine, finish: Callable[[str], JobRow], add_recommendation: Callable[..., str]
) -> Callable[..., dict[str, Any]]:
    """The document of a finished recommendation with this request."""

    def ask(id: str = "answer", **request: Any) -> dict[str, Any]:
        job = finish(add_recommendation(id, labels=ACROSS, repetitions=1, request=request))
        assert job.state is JobState.SUCCEEDED, job.error
        with reading(engine) as registry:
            return registry.recommendations.get(id).document

    return ask


@pytest.fixture
def begins(monkeypatch: pytest.MonkeyPatch) -> Begins:
    """The seed of each final training, and the state of its network before it."""
    fit, found = fitting.fit, []

    def note(network: Any, *arguments: Any, **options: Any) -> None:
        if options["config"].averaged:  # only the recipe of the final training averages
            found.append((options["seed"], {name: tensor.clone() for name, tensor in network.state_dict().items()}))
        fit(network, *arguments, **options)

    monkeypatch.setattr(fitting, "fit", note)
    return found


def final_networks(engine: Engine) -> list[tuple[str, int, int, str]]:
    """Key, seed, classes and weights of every network of a cell, in the order of their ends."""
    with engine.connect() as connection:
        return [
            tuple(row)
            for row in connection.exec_driver_sql(
                "SELECT key, seed, classes, weights FROM networks WHERE architecture LIKE 'cell:%' ORDER BY created_at"
            )
        ]


def test_every_seed_starts_from_the_weights_of_the_source_but_for_the_head(
    engine: Engine, settings: Settings, source: Path, answer: Callable[..., dict[str, Any]], begins, monkeypatch
) -> None:
    tests = []
    read = _Selection.image_set

    def note(selection: Any, split: Split, *arguments: Any) -> Any:
        if split is Split.TEST:
            tests.append(len(set(selection.labels[split].tolist())))
        return read(selection, split, *arguments)

    monkeypatch.setattr(_Selection, "image_set", note)
    found = answer(final={"warm_start": True, "seeds": 2})
    assert (found["verdict"], found["closest"]["name"]) == ("closest", "three")
    (source_key, source_seed, classes, weights), *targets = final_networks(engine)
    assert found["warm_start"] == {"task_id": "three", "name": "three", "network": source_key}
    assert (classes, [network[2] for network in targets]) == (3, [2, 2])
    assert tests == [2], "the test images of the target alone, once"

    skeleton = Skeleton.from_json(found["architecture"]["skeleton"])
    genotype = Genotype.from_json(found["architecture"]["genotype"])
    trained = load_safetensors(open_store(settings).read(weights))
    assert [seed for seed, _ in begins] == [source_seed, *(network[1] for network in targets)]
    for seed, begin in begins[1:]:
        fresh = build_cell_network(genotype, skeleton, seed=seed).state_dict()
        heads = {"head.weight", "head.bias"}
        assert fresh.keys() == trained.keys() == begin.keys() > heads
        for name, tensor in begin.items():
            assert torch.equal(tensor, (fresh if name in heads else trained)[name]), name
        assert not torch.equal(trained["stem.0.weight"], fresh["stem.0.weight"])
    with reading(engine) as registry:
        card = registry.architectures.get(found["architecture"]["id"]).card
    assert (
        f"training began at the weights of: `three (network {source_key})`" in open_store(settings).read(card).decode()
    )


def test_the_network_of_the_source_is_trained_once_for_all_who_want_it(
    source: Path, answer: Callable[..., dict[str, Any]], engine: Engine, finish, begins: Begins
) -> None:
    answer("cold")
    first = answer("first", **WARM)
    assert len(begins) == 3, "the target's network from fresh weights is not the one from the source's"
    second = answer("second", final={"warm_start": True, "seeds": 2})
    assert len(begins) == 4, "a network of another seed, no more"
    assert first["warm_start"] == second["warm_start"]
    # The cell trained on the source's own data for its own sake is that network too.
    params = {"architecture_id": "new", "source_architecture_id": first["architecture"]["id"], "task_id": "three"}
    with unit_of_work(engine) as registry:
        job = registry.jobs.insert(JobKind.TRAIN_ARCHITECTURE, params)
    assert finish(job.id).state is JobState.SUCCEEDED
    assert len(begins) == 4


def test_without_a_close_task_it_is_the_network_from_fresh_weights_and_a_warning_says_so(
    answer: Callable[..., dict[str, Any]], begins: Begins
) -> None:
    cold, warm = answer("cold"), answer("warm", **WARM)
    assert len(begins) == 1, "the second one finds the first one's network"
    assert "warm_start" not in cold
    assert warm["warm_start"] is None
    (warning,) = [warning for warning in warm["warnings"] if "warm start" in warning]
    assert "the target has no close task" in warning
    assert cold["test"] == warm["test"]


def test_a_source_whose_images_are_gone_costs_the_warm_start_not_the_answer(
    source: Path, answer: Callable[..., dict[str, Any]], begins: Begins
) -> None:
    shutil.rmtree(source)
    found = answer(**WARM)
    assert found["closest"]["name"] == "three"
    assert found["warm_start"] is None
    (warning,) = [warning for warning in found["warnings"] if "warm start" in warning]
    assert "the images of three cannot be read any more" in warning
    assert len(begins) == 1


def test_a_source_whose_images_have_changed_gives_no_start(settings: Settings, stripes_folder: Path) -> None:
    source = TaskRow(name="other", dataset={"uri": stripes_folder.as_uri()}, labels=None, dataset_digest="another")
    with pytest.raises(WarmStartFailedError, match="are not those that this task began with"):
        _read(SimpleNamespace(settings=settings), source, SimpleNamespace(image_size=16))


def test_a_source_that_learns_from_images_that_judge_the_target_gives_no_start(
    settings: Settings, stripes_folder: Path
) -> None:
    uri = stripes_folder.as_uri()
    dataset = load_dataset(DatasetReference.from_json({"uri": uri}), roots=[stripes_folder], cache=stripes_folder)
    target = SimpleNamespace(image_size=16, dataset=dataset)
    context = SimpleNamespace(settings=settings)

    def read(**reference: Any) -> Any:
        source = TaskRow(name="other", dataset={"uri": uri, **reference}, labels=None, dataset_digest=None)
        return _read(context, source, target)

    assert len(read().train) > 0
    fractions = {"train": 0.9, "validation": 0.05, "test": 0.05}
    other = load_dataset(
        DatasetReference.from_json({"uri": uri, "fractions": fractions}), roots=[stripes_folder], cache=stripes_folder
    )
    learnt = {image.tobytes() for image in (other.images[place] for place in other.indices(Split.TRAIN))}
    judging = [dataset.images[place] for split in (Split.VALIDATION, Split.TEST) for place in dataset.indices(split)]
    seen = sum(image.tobytes() in learnt for image in judging)
    assert seen > 0
    with pytest.raises(WarmStartFailedError, match=f"{seen} of the images that other"):
        read(fractions=fractions)


def test_a_source_that_is_not_registered_any_more_gives_no_start(engine: Engine) -> None:
    context = SimpleNamespace(reading=lambda: reading(engine))
    closest = ClosestTask("t", "three")
    found = train_source(context, None, closest, None, None, objective="accuracy", epochs=None, seeds=1)
    assert found.start is None
    assert "the task three is not registered any more" in found.warning
    assert source_work(context, None, closest, capped=False) == 0.0


def test_under_a_budget_in_seconds_the_training_on_the_source_counts_and_is_cut_too(
    source: Path, answer: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "final_config", final_config)  # the whole recipe: hundreds of epochs
    fit, affordable, epochs, networks = fitting.fit, recommendation.affordable, [], []

    def note(network: Any, images: Any, **options: Any) -> None:
        if options["config"].averaged:
            epochs.append(options["config"].epochs_for(len(images)))
        fit(network, images, **options)

    def count(*arguments: Any, **options: Any) -> int | None:
        networks.append(options["networks"])
        return affordable(*arguments, **options)

    monkeypatch.setattr(fitting, "fit", note)
    monkeypatch.setattr(recommendation, "affordable", count)
    found = answer(final={"warm_start": True, "seeds": 2}, budget={"seconds": 0.5})
    # Source and target have equally many images and so equally long recipes; of the epochs one is left.
    assert networks == [3.0]
    assert found["search"]["final_epochs"] == 1
    assert epochs == [1, 1, 1]
    assert found["warm_start"]["name"] == "three"


@pytest.mark.parametrize("training", [0, 1], ids=["on the source", "on the target"])
def test_a_training_that_was_killed_ends_as_the_unbroken_one(
    settings: Settings, engine: Engine, source: Path, add_recommendation, claim, finish, monkeypatch, training: int
) -> None:
    monkeypatch.setattr(train, "final_config", lambda *facts, **wishes: final_config(*facts, **{**wishes, "epochs": 3}))
    monkeypatch.setattr(checkpoints, "INTERVAL_SECONDS", 0.0)
    fit, begun, states = fitting.fit, [], []

    def lose_the_disk_after_two_epochs(network: Any, *arguments: Any, **options: Any) -> None:
        report_epoch = options["on_epoch"]

        def on_epoch(state: Any) -> None:
            report_epoch(state)
            if state.epoch == 2 and len(begun) == training + 1:
                raise OSError("no space left on device")

        if options["config"].averaged:
            begun.append(options["seed"])
            options["on_epoch"] = on_epoch
        fit(network, *arguments, **options)

    def note(network: Any, *arguments: Any, **options: Any) -> None:
        states.append(options["state"] and options["state"].epoch)
        fit(network, *arguments, **options)

    def run_to_the_end(id: str) -> list[tuple[str, int, int, str]]:
        job_id = add_recommendation(id, labels=ACROSS, repetitions=1, request=WARM)
        if id == "broken":
            with monkeypatch.context() as broken:
                broken.setattr(fitting, "fit", lose_the_disk_after_two_epochs)
                assert runner.run(settings, engine, job_id, claim(job_id).attempt) is Ending.RELEASED
            with engine.begin() as connection:
                connection.exec_driver_sql("UPDATE jobs SET run_after = 0")
            if training:  # the source is not needed any more
                shutil.move(source, source.with_name("away"))
        monkeypatch.setattr(fitting, "fit", note)
        assert finish(job_id).state is JobState.SUCCEEDED
        return final_networks(engine)

    resumed = run_to_the_end("broken")
    assert states == [2, None][: 2 - training]
    if training:
        shutil.move(source.with_name("away"), source)
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM networks WHERE architecture LIKE 'cell:%'")
    assert run_to_the_end("unbroken") == resumed
    assert len(resumed) == 2


def test_a_plan_without_a_start_keeps_its_key_and_one_with_a_start_has_another() -> None:
    config = TrainConfig()
    plain = FitPlan("small_cnn", "data", config, 3)
    fields = {"what": "network", "architecture": "small_cnn", "data_key": "data", "config": asdict(config), "seed": 3}
    assert plain.key == json_digest(fields)
    keys = {plain.key, *(FitPlan("small_cnn", "data", config, 3, start).key for start in ("a", "b"))}
    assert len(keys) == 3


@pytest.mark.parametrize(
    ("own", "images", "epochs", "affordable"),
    [
        # 2,000 images are looked at 15 times by the whole recipe, 1,000 as often: half of the work.
        (2000, 1000, 15, 15),
        (2000, 1000, 5, 5),
        # 200 images are looked at 50 times, 2,000 15 times: three times the work, of which one third is allowed.
        (200, 2000, 50, 5),
        (200, 2000, 9, None),
    ],
)
def test_under_a_budget_the_source_takes_no_longer_than_a_network_of_the_target(
    own: int, images: int, epochs: int, affordable: int | None
) -> None:
    task = SimpleNamespace(full=SimpleNamespace(train=range(own)), classes=2)
    data = SimpleNamespace(train=range(images), class_names=("a", "b"))
    if affordable is None:
        with pytest.raises(WarmStartFailedError, match="a single pass over its 2000"):
            _affordable_epochs(task, data, epochs)
    else:
        assert _affordable_epochs(task, data, epochs) == affordable
