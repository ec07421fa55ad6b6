"""Whole attempts in this process: their stored results, their answers, and the work that a second attempt reuses."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from sqlalchemy import text

from ldnas.recipe import default_recipe
from ldnas.space.genotype import Genotype
from worker.jobs.stages import fitting, space
from worker.jobs.stages.resolve import ResolvedTask
from worker.queue import runner
from worker.queue.exit_codes import Ending
from worker.registry import Engine, JobState, reading, unit_of_work
from worker.storage.folder_store import FolderStore

ACROSS = {"groups": [["across"]], "rest": True, "balance": False}
POOLS = Genotype(("max_pool_3x3",) * 5 + ("sep_conv_3x3",))
CONVOLUTIONS = Genotype(("dil_conv_3x3",) * 6)


def lose_the_disk(*arguments: Any, **options: Any) -> None:
    raise OSError("no space left on device")


def make_due(engine: Engine, job_id: str) -> None:
    """Ends the wait of a released job."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET run_after = 0 WHERE id = :id"), {"id": job_id})


@pytest.fixture
def give(engine: Engine) -> Callable[[str, Genotype], None]:
    """Gives a baseline a genotype, as a request can."""

    def link(task_id: str, genotype: Genotype) -> None:
        with unit_of_work(engine) as registry:
            rows = [{"digest": genotype.digest, "genotype": genotype.to_json()}]
            kept = registry.results.store_search(genotype.digest, "given", rows)
            registry.task_results.link_genotypes(task_id, [row.id for row in kept])

    return link


@pytest.fixture
def document(engine: Engine) -> Callable[[str], dict[str, Any]]:
    def read(recommendation_id: str = "answer") -> dict[str, Any]:
        with reading(engine) as registry:
            return registry.recommendations.get(recommendation_id).document

    return read


def test_two_baselines_with_other_genotypes_give_the_target_other_spaces(
    engine, add_task, add_recommendation, give, finish, document
) -> None:
    for name, genotype in (("pools", POOLS), ("convolutions", CONVOLUTIONS)):
        job_id = add_task(name, seed=len(name))
        give(name, genotype)
        assert finish(job_id).state is JobState.SUCCEEDED
    spaces = {}
    for name in ("pools", "convolutions"):
        # With one repetition, means alone decide.
        job_id = add_recommendation(f"by-{name}", labels=ACROSS, repetitions=1, request={"baselines": [name]})
        assert finish(job_id).state is JobState.SUCCEEDED
        answer = document(f"by-{name}")
        assert answer["verdict"] == "closest"
        assert answer["closest"]["probability"] is None
        assert answer["closest"]["name"] == name
        spaces[name] = set(answer["search_space"]["primitives"])
        assert {edge[2] for edge in answer["architecture"]["genotype"]["edges"]} <= spaces[name]
    assert spaces == {"pools": {"max_pool_3x3", "sep_conv_3x3"}, "convolutions": {"dil_conv_3x3"}}


def test_a_recommendation_reports_all_that_it_found(engine, add_task, add_recommendation, finish, document) -> None:
    finish(add_task("three"))
    job = finish(add_recommendation(labels=ACROSS))
    answer = document()
    assert job.state is JobState.SUCCEEDED
    assert job.progress["fraction"] == pytest.approx(1, abs=0.05)
    assert answer["target"]["classes"] == ["across", "rest"]
    assert answer["target"]["train"] + answer["target"]["validation"] + answer["target"]["test"] == 36
    (entry,) = answer["distances"]
    assert (entry["name"], entry["repetitions"], entry["comparable"]) == ("three", 2, True)
    assert entry["mean"] > 0
    assert entry["std"] is not None
    assert entry["others"]["log_det"] > 0
    assert sum(part["value"] for part in entry["contributions"]) == pytest.approx(entry["mean"])
    assert entry["interval"][0] < entry["mean"] < entry["interval"][1]
    assert (entry["probability_closest"], entry["samples"]) == (1.0, answer["target"]["train"])
    nearer = entry["interval"][1] < answer["scale"]["untrained_distance"]
    assert answer["verdict"] == ("closest" if nearer else "no_close_task")
    low, high = answer["test"]["interval"]
    assert low <= answer["test"]["accuracy"] <= high
    with reading(engine) as registry:
        architecture = registry.architectures.get(answer["architecture"]["id"])
        assert registry.results.artifact(architecture.weights).bytes > 1000
        for file in ("code", "program", "onnx", "card"):
            assert registry.results.artifact(getattr(architecture, file)).bytes > 0
        assert registry.task_results.genotypes("three")[0].origin == "random"
        matrix = registry.results.matrix("log_det_layerwise", {default_recipe("small_cnn").digest})
    means = {(row.source_task_id, row.target_task_id): row.mean for row in matrix if row.repetitions == 2}
    target = answer["target"]["task_id"]
    assert means == {
        ("three", "three"): 0.0,
        (target, target): 0.0,
        ("three", target): pytest.approx(entry["mean"]),
    }


def test_without_baselines_the_full_space_is_searched_and_the_verdict_says_so(
    add_recommendation, finish, document
) -> None:
    finish(add_recommendation(labels=ACROSS))
    answer = document()
    assert (answer["verdict"], answer["closest"], answer["distances"]) == ("no_baseline", None, [])
    assert answer["search_space"]["fraction_of_full"] == 1.0


def test_the_target_is_not_a_baseline_of_its_own(add_task, add_recommendation, finish, document) -> None:
    finish(add_task("the same", labels=ACROSS))
    finish(add_recommendation(labels={"groups": [[0]], "rest": True, "balance": False}))
    answer = document()
    assert answer["verdict"] == "no_baseline"
    assert answer["eligibility"][0]["reason"].startswith("it is the target itself")


def test_a_baseline_of_another_architecture_is_listed_with_the_call_that_would_mend_it(
    engine, add_task, add_recommendation, finish, document
) -> None:
    finish(add_task("other", repetitions=1))
    with unit_of_work(engine) as registry:  # as if it had been registered so: training one takes a while
        task = registry.tasks.get("other")
        task.architecture, task.dataset = "resnet18", {"uri": "https://host.example.org/a.zip?X-Amz-Signature=secret"}
    finish(add_recommendation(labels=ACROSS, architecture="small_cnn"))
    (entry,) = document()["distances"]
    assert (entry["comparable"], entry["mean"]) == (False, None)
    assert entry["mend"]["path"] == "/v1/tasks"
    assert entry["mend"]["body"]["network"] == "small_cnn"
    assert entry["mend"]["body"]["dataset"] == {"uri": "https://host.example.org/a.zip?…"}


def test_a_second_attempt_reuses_the_network_that_the_first_one_stored(
    settings, engine, add_task, claim, monkeypatch
) -> None:
    job_id = add_task("broken off")
    fit, fitted = fitting.fit, []

    def fit_one_then_lose_the_disk(network: torch.nn.Module, *arguments: Any, **options: Any) -> None:
        if fitted:
            lose_the_disk()
        fit(network, *arguments, **options)
        fitted.append(network)

    monkeypatch.setattr(fitting, "fit", fit_one_then_lose_the_disk)
    assert runner.run(settings, engine, job_id, claim(job_id).attempt) is Ending.RELEASED
    with reading(engine) as registry:
        last = registry.jobs.events_after(job_id)[-1]
        assert registry.jobs.get(job_id).failures == 0, "it got further than any attempt before"
    assert "no space left" in last.data["reason"]
    monkeypatch.setattr(fitting, "fit", lambda *arguments, **options: (fitted.append(1), fit(*arguments, **options)))
    make_due(engine, job_id)
    assert runner.run(settings, engine, job_id, claim(job_id).attempt) is Ending.RECORDED
    assert len(fitted) == 2, "two networks in all, none of them twice"


def test_a_baseline_that_comes_between_two_attempts_does_not_change_the_answer(
    settings, engine, add_task, add_recommendation, give, claim, finish, document, monkeypatch
) -> None:
    first = add_task("there from the start")
    give("there from the start", POOLS)
    finish(first)
    job_id = add_recommendation(labels=ACROSS)
    with monkeypatch.context() as broken:
        broken.setattr(space, "measure_column", lose_the_disk)
        assert runner.run(settings, engine, job_id, claim(job_id).attempt) is Ending.RELEASED
    late = add_task("too late", labels={"groups": [["down"]], "rest": True, "balance": False})
    give("too late", CONVOLUTIONS)
    finish(late)
    make_due(engine, job_id)
    finish(job_id)
    assert [entry["name"] for entry in document()["eligibility"]] == ["there from the start"]
    assert [entry["name"] for entry in document()["distances"]] == ["there from the start"]


def test_a_finished_network_is_scored_on_test_images_once(add_recommendation, finish, document, monkeypatch) -> None:
    evaluated = []
    read = ResolvedTask.read_test_images
    monkeypatch.setattr(
        ResolvedTask, "read_test_images", lambda task, size: (evaluated.append(task.id), read(task, size))[1]
    )
    finish(add_recommendation("first", labels=ACROSS))
    finish(add_recommendation("second", labels=ACROSS))
    assert document("first")["test"] == document("second")["test"]
    assert evaluated == ["target-of-first"], "the second one has the same network"


def test_an_attempt_that_loses_its_lease_in_the_middle_stores_nothing_more(
    settings, engine, add_task, claim, monkeypatch
) -> None:
    job_id = add_task("frozen")
    job = claim(job_id)
    fit = fitting.fit

    def lose_the_lease_while_fitting(*arguments: Any, **options: Any) -> None:
        fit(*arguments, **{**options, "on_epoch": None})
        with unit_of_work(engine) as registry:
            registry.leases.release(job_id, job.attempt, reason="test", counts_as_failure=False)

    monkeypatch.setattr(fitting, "fit", lose_the_lease_while_fitting)
    assert runner.run(settings, engine, job_id, job.attempt) is Ending.ATTEMPT_LOST
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM networks")).scalar_one() == 0


def test_an_attempt_that_lost_its_lease_changes_nothing(settings, engine, add_task, claim) -> None:
    job_id = add_task("fenced")
    first = claim(job_id)
    with unit_of_work(engine) as registry:
        registry.leases.release(job_id, first.attempt, reason="test", counts_as_failure=False)
    second = claim(job_id)
    assert runner.run(settings, engine, job_id, first.attempt) is Ending.ATTEMPT_LOST
    with reading(engine) as registry:
        job = registry.jobs.get(job_id)
        assert (job.state, job.attempt, job.progress_seq) == (JobState.RUNNING, second.attempt, second.progress_seq)
        assert registry.tasks.get("fenced").dataset_digest is None
        assert registry.task_results.networks("fenced") == []


def test_a_named_baseline_is_waited_for(
    settings, engine, add_task, add_recommendation, claim, finish, document
) -> None:
    baseline_job = add_task("slow")
    job_id = add_recommendation(labels=ACROSS, request={"baselines": ["slow"]})
    waiting = claim(job_id)
    assert runner.run(settings, engine, job_id, waiting.attempt) is Ending.RELEASED
    with reading(engine) as registry:
        job = registry.jobs.get(job_id)
        assert (job.state, job.failures) == (JobState.QUEUED, 0)
        assert job.run_after > job.created_at
        assert [event.data for event in registry.jobs.events_after(job_id) if event.kind == "waiting"] == [
            {"baselines": ["slow"]}
        ]
    finish(baseline_job)
    make_due(engine, job_id)
    finish(job_id)
    assert [entry["name"] for entry in document()["distances"]] == ["slow"]


@pytest.mark.parametrize(
    ("labels", "code", "words"),
    [
        ({"groups": [["acros"]], "rest": True, "balance": False}, "unknown_label", "acros"),
        ({"groups": [["across", "down", "plain"]], "rest": True, "balance": False}, "invalid_mapping", "rest"),
    ],
)
def test_a_job_that_cannot_be_done_fails_with_its_reason(add_task, finish, labels, code, words) -> None:
    job = finish(add_task("impossible", labels=labels))
    assert job.state is JobState.FAILED
    assert job.error["code"] == code
    assert words in job.error["detail"]
    assert job.error["field"].startswith("labels")


def test_a_broken_image_is_named_and_nothing_half_written_stays(engine, add_task, finish, stripes_folder: Path) -> None:
    (stripes_folder / "down" / "07.png").write_bytes(b"\x89PNG\r\n\x1a\n not a picture")
    job = finish(add_task("broken"))
    assert job.error["code"] == "broken_image"
    assert job.error["origin"].endswith("down/07.png")
    with reading(engine) as registry:
        assert registry.tasks.get("broken").dataset_digest is None


def test_images_that_change_under_a_task_are_noticed(
    settings, engine, add_task, claim, stripes_folder: Path, finish, monkeypatch
) -> None:
    job_id = add_task("changing")
    with monkeypatch.context() as broken:
        broken.setattr(fitting, "fit", lose_the_disk)
        assert runner.run(settings, engine, job_id, claim(job_id).attempt) is Ending.RELEASED
    shutil.copy(stripes_folder / "down" / "01.png", stripes_folder / "plain" / "new.png")
    make_due(engine, job_id)
    job = finish(job_id)
    assert job.error["code"] == "reference_changed"
    assert stripes_folder.as_uri() in job.error["detail"]


def test_a_baseline_that_saw_the_targets_test_images_takes_no_part(
    add_task, add_recommendation, finish, document, stripes_folder: Path
) -> None:
    (stripes_folder / "notes.txt").write_text("no image")
    fractions = {"train": 0.7, "validation": 0.2, "test": 0.1}
    finish(add_task("other split", dataset={"uri": stripes_folder.as_uri(), "fractions": fractions}, repetitions=1))
    finish(add_recommendation(labels=ACROSS, repetitions=1))
    answer = document()
    (entry,) = answer["eligibility"]
    assert not entry["eligible"]
    assert "of the target's test images" in entry["reason"]
    assert answer["verdict"] == "no_baseline"
    passed_over = "passed over: 1 file in the folder itself, not an image (notes.txt)"
    assert f"about the images: {passed_over}" in answer["warnings"]


def test_training_images_that_equal_test_images_are_left_out_and_counted(
    engine, add_task, claim, settings, stripes_folder: Path, monkeypatch
) -> None:
    for split in ("train", "test"):
        for name in ("across", "down", "plain"):
            shutil.copytree(stripes_folder / name, stripes_folder / split / name)
    for name in ("across", "down", "plain"):
        for picture in (stripes_folder / "test" / name).glob("*.png"):
            # Three of each class are for testing alone, two are in both, the rest are for training alone.
            if int(picture.stem) >= 5:
                picture.unlink()
            elif int(picture.stem) < 3:
                (stripes_folder / "train" / name / picture.name).unlink()
        shutil.rmtree(stripes_folder / name)
    (stripes_folder / "train" / "notes.txt").write_text("no image")
    job_id = add_task("overlapping")
    monkeypatch.setattr(fitting, "fit", lose_the_disk)
    runner.run(settings, engine, job_id, claim(job_id).attempt)
    with reading(engine) as registry:
        (resolved,) = [event.data for event in registry.jobs.events_after(job_id) if event.kind == "resolved"]
    assert (resolved["test"], resolved["left_out"]) == (15, 6)
    assert resolved["train"] + resolved["validation"] == 3 * 7
    assert resolved["warnings"] == ["passed over: 1 file in train, not an image (notes.txt)"]


def test_an_end_that_is_recorded_stands_though_the_store_refuses_to_be_tidied(
    add_task, finish, monkeypatch, caplog
) -> None:
    monkeypatch.setattr(FolderStore, "drop_checkpoints", lose_the_disk)
    assert finish(add_task("three")).state is JobState.SUCCEEDED
    assert "its checkpoints stay: no space left on device" in caplog.text


def test_a_bug_closes_the_row_without_revealing_internals(engine, add_task, finish, monkeypatch) -> None:
    monkeypatch.setattr(fitting, "evaluate", lambda *arguments: 1 / 0)
    job = finish(add_task("buggy"))
    assert (job.state, job.error["code"]) == (JobState.FAILED, "internal")
    assert "division" not in job.error["detail"]
    assert job.id in job.error["detail"]
