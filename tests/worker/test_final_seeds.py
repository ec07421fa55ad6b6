"""The final training from several seeds: the network that is the result, and the work that is not repeated."""

import io
import json
import statistics
from typing import Any

import numpy as np
import PIL.Image
import pytest

from ldnas.seeding import derive_seed
from worker.jobs import recommend as recommendation
from worker.jobs.stages import fitting, train
from worker.jobs.stages.resolve import ResolvedTask
from worker.queue import runner
from worker.queue.exit_codes import Ending
from worker.registry import JobState
from worker.storage.artifacts import open_store

ACROSS = {"groups": [["across"]], "rest": True, "balance": False}


@pytest.fixture
def finals(monkeypatch: pytest.MonkeyPatch) -> list[tuple[ResolvedTask, train.TrainedArchitecture]]:
    """Final trainings of one epoch from three seeds, as they are finished, with their tasks."""
    finished = []

    def train_three(context: Any, task: ResolvedTask, *arguments: Any, **options: Any) -> train.TrainedArchitecture:
        finished.append(
            (task, train.train_architecture(context, task, *arguments, **{**options, "seeds": 3, "epochs": 1}))
        )
        return finished[-1][1]

    monkeypatch.setattr(recommendation, "train_architecture", train_three)
    return finished


def test_three_networks_are_trained_and_scored_once_though_the_attempt_broke_off(
    settings, engine, add_recommendation, claim, finish, finals, monkeypatch
) -> None:
    fit, finals_fitted, evaluated = fitting.fit, [], []

    def lose_the_disk_at_the_third(network: Any, *arguments: Any, **options: Any) -> None:
        if options["config"].averaged:  # only the recipe of the final training averages
            if len(finals_fitted) == 2:
                raise OSError("no space left on device")
            finals_fitted.append(options["seed"])
        fit(network, *arguments, **options)

    def count(network: Any, *arguments: Any, **options: Any) -> None:
        finals_fitted.append(options["seed"])
        fit(network, *arguments, **options)

    read = ResolvedTask.read_test_images
    monkeypatch.setattr(
        ResolvedTask, "read_test_images", lambda task, size: (evaluated.append(task.id), read(task, size))[1]
    )
    job_id = add_recommendation(labels=ACROSS, repetitions=1)
    with monkeypatch.context() as broken:
        broken.setattr(fitting, "fit", lose_the_disk_at_the_third)
        assert runner.run(settings, engine, job_id, claim(job_id).attempt) is Ending.RELEASED
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE jobs SET run_after = 0")
    monkeypatch.setattr(fitting, "fit", count)
    # The second network is the best, and the third as good.
    scores = iter([0.2, 0.9, 0.9])
    monkeypatch.setattr(train, "score", lambda evaluation, objective: next(scores))
    assert finish(job_id).state is JobState.SUCCEEDED

    ((task, trained),) = finals
    seeds = [derive_seed(task.seed, "final", task.search_data_key, *more) for more in ((), (1,), (2,))]
    assert finals_fitted == seeds
    assert [network.row.seed for network in trained.networks] == seeds
    assert trained.best is trained.networks[1]
    assert len(evaluated) == 1
    with engine.connect() as connection:
        (document,) = connection.exec_driver_sql("SELECT document FROM recommendations").one()
        kept = dict(connection.exec_driver_sql("SELECT key, test FROM networks WHERE test IS NOT NULL").all())
    tests = [json.loads(kept[network.row.key]) for network in trained.networks]
    test = json.loads(document)["test"]
    spread = statistics.stdev(one["accuracy"] for one in tests)
    assert test == {**tests[1], "seeds": 3, "std_over_seeds": pytest.approx(spread)}
    labels, predictions, probabilities = json.loads(open_store(settings).read(test["predictions"])).values()
    recall = [
        sum(guess == label == which for label, guess in zip(labels, predictions, strict=True)) / labels.count(which)
        for which in (0, 1)
    ]
    assert test["recall"] == pytest.approx(recall)
    assert all(0.5 <= probability <= 1 for probability in probabilities)
    assert len(probabilities) == test["images"]
    sheet, wrong = test["error_sheet"], sum(a != b for a, b in zip(labels, predictions, strict=True))
    shown = sheet["positions"]
    assert len(shown) == min(48, wrong) > 0
    assert all(labels[position] != predictions[position] for position in shown)
    assert probabilities[shown[0]] == max(
        probabilities[place] for place in range(len(labels)) if labels[place] != predictions[place]
    )
    picture = PIL.Image.open(io.BytesIO(open_store(settings).read(sheet["artifact"])))
    side = task.image_size
    assert picture.size == (8 * side, -(-len(shown) // 8) * side)
    first = task.read_test_images(side).images[shown[0]]
    assert np.array_equal(np.asarray(picture)[:side, :side], first.permute(1, 2, 0))
    assert set(json.loads(document)["validation"]) == {"accuracy", "balanced_accuracy", "macro_f1"}
    assert trained.warnings[0].startswith("little data")


def test_one_network_has_no_spread(add_recommendation, finish, engine, monkeypatch) -> None:
    whole = train.train_architecture
    monkeypatch.setattr(
        recommendation,
        "train_architecture",
        lambda *arguments, **options: whole(*arguments, **{**options, "epochs": 1}),
    )
    finish(add_recommendation(labels=ACROSS, repetitions=1))
    with engine.connect() as connection:
        (document,) = connection.exec_driver_sql("SELECT document FROM recommendations").one()
    assert (json.loads(document)["test"]["seeds"], json.loads(document)["test"]["std_over_seeds"]) == (1, None)
