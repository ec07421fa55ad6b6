"""The control of a race: each other network trains alone in the seconds of the race."""

from collections.abc import Callable
from typing import Any

import pytest

from ldnas.networks.design import Kind
from ldnas.race.candidate import Candidate
from ldnas.race.race import RaceProblem
from worker.jobs.stages import race, race_candidates
from worker.jobs.stages.control_document import SEEDS
from worker.jobs.stages.race_control import RACED
from worker.jobs.stages.resolve import ResolvedTask
from worker.queue import runner
from worker.queue.exit_codes import Ending
from worker.registry import Engine, JobState, reading
from worker.settings import Settings

SMALL = {"max_parameters": 20_000}
SECONDS = 2.0
Run = tuple[float, int, list[Candidate]]


@pytest.fixture(autouse=True)
def short_races(ticking_races: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race, "_race_seconds", lambda answer, candidates: SECONDS)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    """Seconds, seed and candidates of each race that begins."""
    begun: list[Run] = []
    whole = race.Race

    def note(problem: RaceProblem, candidates: list[Candidate], **options: Any) -> Any:
        begun.append((problem.seconds, problem.seed, candidates))
        return whole(problem, candidates, **options)

    monkeypatch.setattr(race, "Race", note)
    return begun


def test_every_arm_trains_alone_in_the_seconds_of_the_race_and_is_compared_with_the_winner(
    add_race, finish, document_of, runs: list[Run], monkeypatch: pytest.MonkeyPatch, engine: Engine
) -> None:
    evaluated: list[int] = []
    read = ResolvedTask.read_test_images
    monkeypatch.setattr(
        ResolvedTask, "read_test_images", lambda task, size: (evaluated.append(size), read(task, size))[1]
    )
    assert finish(add_race(control=True, candidates=["cell"], constraints=SMALL)).state is JobState.SUCCEEDED
    document = document_of()
    control = document["control"]
    assert control["verdict"] in ("helped", "undecided", "hurt")
    assert (control["seconds"], control["search_seconds"]) == (SECONDS, SECONDS)
    assert all(len(control[arm]["scores"]) == SEEDS for arm in RACED)
    assert all(control[arm]["verdict"] and control[arm]["interval"] for arm in ("random", "resnet18"))
    assert control["full_space"]["reason"] == "a race has no search space"
    assert (control["full_space"]["scores"], control["full_space"]["verdict"]) == ([], None)

    designs = {arm: [each["design"] for each in control[arm]["architectures"]] for arm in RACED}
    assert designs["found"] == [document["architecture"]["design"]] * SEEDS
    assert control["found"]["scores"][0] == document["validation"]["accuracy"], "the winner is not trained again"
    assert len({str(design["genotype"]) for design in designs["random"]}) == SEEDS
    assert {design["name"] for design in designs["resnet18"]} == {"resnet18"}
    assert all(each["parameters"] <= 20_000 for arm in RACED for each in control[arm]["architectures"])

    assert len(runs) == 1 + 3 * SEEDS - 1
    assert {seconds for seconds, _, _ in runs} == {SECONDS}
    assert len({seed for _, seed, _ in runs}) == len(runs)
    assert all(len({own.variant_of for own in candidates}) == 1 for _, _, candidates in runs[1:])
    assert len(evaluated) == 1, "a control does not read test images"
    with reading(engine) as registry:
        linked = registry.task_results.genotypes("target-of-answer")
    assert [row.genotype for row in linked] == [document["architecture"]["genotype"]], "later searches do not know it"


@pytest.mark.long
def test_an_interrupted_control_resumes_after_the_networks_that_it_finished(
    add_race, claim, finish, document_of, runs: list[Run], monkeypatch, engine: Engine, settings: Settings
) -> None:
    noted = race.Race

    def lose_the_disk(*arguments: Any, **options: Any) -> Any:
        if len(runs) == 4:
            raise OSError("no space left on device")
        return noted(*arguments, **options)

    job_id = add_race(control=True, candidates=["cell"], constraints=SMALL)
    with monkeypatch.context() as broken:
        broken.setattr(race, "Race", lose_the_disk)
        assert runner.run(settings, engine, job_id, claim(job_id).attempt) is Ending.RELEASED
    before = document_of()["control"]
    assert before["verdict"] is None
    assert [len(before[arm]["scores"]) for arm in RACED] == [2, 1, 1]
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE jobs SET run_after = 0")
    assert finish(job_id).state is JobState.SUCCEEDED
    after = document_of()["control"]
    assert after["verdict"] is not None
    for arm in RACED:
        assert after[arm]["scores"][: len(before[arm]["scores"])] == before[arm]["scores"]
    assert len(runs) == 3 * SEEDS, "no network is trained twice"


def test_an_arm_without_a_network_within_the_limits_has_the_reason_and_no_verdict(
    add_race, finish, document_of, monkeypatch
) -> None:
    monkeypatch.setattr(
        race_candidates, "_latency_ms", lambda context, candidate: 5.0 if candidate.kind == "cell" else 20.0
    )
    finish(add_race(control=True, candidates=["cell"], constraints={"max_latency_ms": 10.0}))
    control = document_of()["control"]
    assert control["resnet18"]["reason"] == ("the fastest network takes 20 ms for one image, and max_latency_ms is 10")
    assert (control["resnet18"]["scores"], control["resnet18"]["verdict"]) == ([], None)
    assert len(control["random"]["scores"]) == SEEDS
    assert control["verdict"] is not None


@pytest.mark.long
def test_a_random_cell_starts_from_the_closest_task_too_if_the_winner_did(
    add_task: Callable[..., str], add_race, finish, document_of, runs: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert finish(add_task("three", repetitions=1, study={"cells": 1})).state is JobState.SUCCEEDED
    monkeypatch.setattr(race_candidates, "choose_cells", lambda *arguments: ())
    assert finish(add_race(control=True, candidates=["cell"])).state is JobState.SUCCEEDED
    assert document_of()["alternatives"][0]["started_from"] == "three"
    started = {(own.kind, own.variant_of == "resnet18"): own.started_from for _, _, field in runs[1:] for own in field}
    assert started == {(Kind.CELL, False): "three", (Kind.PLAIN, True): None}
    assert len({own.name for _, _, field in runs[1:] for own in field if own.kind is Kind.CELL}) == 1 + SEEDS
