"""The distance stage: the job `distances`, many baselines halved, and nothing computed twice."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import text

from ldnas import recipe
from ldnas.distance import halving, observation
from ldnas.recipe import MEASURES, STANDING_MEASURES, Recipe, default_recipe
from ldnas.space.genotype import Genotype
from ldnas.training.train import TrainConfig
from worker.jobs.stages import distance, fit, observations
from worker.queue import runner
from worker.queue.exit_codes import Ending
from worker.registry import Engine, JobKind, JobRow, JobState, reading, unit_of_work

ACROSS = {"groups": [["across"]], "rest": True, "balance": False}
POOLS = Genotype(("max_pool_3x3",) * 6)


@pytest.fixture(autouse=True)
def short_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """One epoch makes a network that is good enough to be measured."""
    monkeypatch.setattr(fit, "TASK_NETWORK_CONFIG", TrainConfig(epochs=1))


@pytest.fixture
def add_baseline(engine: Engine, add_task: Callable[..., str], finish: Callable[[str], JobRow]) -> Callable[..., None]:
    """A baseline that is ready, with a given genotype in place of a search."""

    def add(name: str, **columns: Any) -> None:
        job_id = add_task(name, **columns)
        with unit_of_work(engine) as registry:
            rows = [{"digest": POOLS.digest, "genotype": POOLS.to_json()}]
            kept = registry.results.store_search(POOLS.digest, "given", rows)
            registry.task_results.link_genotypes(name, [row.id for row in kept])
        assert finish(job_id).state is JobState.SUCCEEDED

    return add


@pytest.fixture
def add_column(engine: Engine) -> Callable[..., str]:
    """Asks for the distances to a target; gives the id of the job."""

    def add(target: str, **params: Any) -> str:
        asked = {"target_task_id": target, "sources": None, "measures": list(STANDING_MEASURES), "repetitions": None}
        with unit_of_work(engine) as registry:
            return registry.jobs.insert(JobKind.DISTANCES, {**asked, "jobs": [], **params}).id

    return add


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The recipes of the Fisher passes that are really computed."""
    computed: list[Any] = []
    real = observations.observe

    def counting(*arguments: Any, **options: Any) -> Any:
        computed.append(options["recipe"])
        return real(*arguments, **options)

    monkeypatch.setattr(observations, "observe", counting)
    return computed


def test_a_column_is_measured_by_every_measure_and_stored(engine, add_baseline, add_column, finish, passes) -> None:
    add_baseline("three")
    add_baseline("two", labels=ACROSS, seed=1)
    job = finish(add_column("two", measures=[*MEASURES]))
    assert job.state is JobState.SUCCEEDED, job.error
    assert job.result["target"] == {"task_id": "two", "name": "two"}
    assert list(job.result["columns"]) == [*MEASURES]
    for name, column in job.result["columns"].items():
        (entry,) = column["distances"]
        assert (entry["name"], entry["measure"], entry["repetitions"]) == ("three", name, 2)
        assert set(entry["others"]) == set(MEASURES) - {name}
        assert column["scale"]["untrained_distance"] is not None
    with reading(engine) as registry:
        matrix = registry.results.matrix("frechet", {default_recipe("small_cnn").digest})
    pairs = {(row.source_task_id, row.target_task_id): row.mean for row in matrix}
    assert {pair for pair in pairs if pairs[pair] > 0} == {("three", "two")}
    assert pairs["three", "three"] == pairs["two", "two"] == 0.0
    for name, column in job.result["columns"].items():
        assert column["scale"]["self_distance"] > 0, name
    assert len(passes) == 6, "two repetitions of source, target and untrained networks"
    again = finish(add_column("two", measures=[*MEASURES]))
    assert again.result["columns"] == job.result["columns"]
    fewer = finish(add_column("two"))
    assert fewer.result["columns"]["log_det"]["distances"][0]["mean"] == pairs_of(job, "log_det")
    assert len(passes) == 6, "measured distances are not measured again, nor for fewer measures"


def pairs_of(job: JobRow, name: str) -> float:
    return float(job.result["columns"][name]["distances"][0]["mean"])


def test_fewer_repetitions_can_be_asked_for(add_baseline, add_column, finish, passes) -> None:
    add_baseline("three")
    add_baseline("two", labels=ACROSS, seed=1)
    job = finish(add_column("two", repetitions=1, sources=["three"]))
    (entry,) = job.result["columns"]["log_det"]["distances"]
    assert (entry["repetitions"], entry["interval"], entry["probability_closest"]) == (1, None, None)
    assert len(passes) == 3


def test_a_column_needs_its_sources(add_baseline, add_column, finish) -> None:
    add_baseline("two", labels=ACROSS)
    job = finish(add_column("two", sources=["nobody"]))
    assert job.result["columns"]["log_det"]["verdict"] == "no_baseline"
    assert job.result["eligibility"][0]["reason"] == "it is not registered any more"


@pytest.fixture
def halved(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if two baselines were many, and a few images enough to leave one behind."""
    monkeypatch.setattr(halving, "FINALISTS", 2)
    monkeypatch.setattr(halving, "FEWEST_IMAGES", 1)
    monkeypatch.setattr(halving, "OVERHEAD_IMAGES", 0)


def test_many_baselines_are_halved_before_the_rest_is_measured_in_full(
    engine, settings, add_baseline, add_recommendation, claim, finish, passes, halved, monkeypatch
) -> None:
    for seed in range(4):
        add_baseline(f"three-{seed}", seed=seed)
    job_id = add_recommendation(labels=ACROSS)
    real = observations.observe
    monkeypatch.setattr(observations, "observe", fails_after(7, real))
    killed = claim(job_id)
    assert runner.run(settings, engine, job_id, killed.attempt) is Ending.RELEASED
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET run_after = 0"))
    monkeypatch.setattr(observations, "observe", real)
    assert finish(job_id).state is JobState.SUCCEEDED
    with reading(engine) as registry:
        entries = registry.recommendations.get("answer").document["distances"]
        train = registry.recommendations.get("answer").document["target"]["train"]
        recorded = [event.data for event in registry.jobs.events_after(job_id) if event.kind == "halving"]
    (data,) = recorded
    assert (data["sources"], data["samples"]) == (4, train // 4)
    finalists, behind = entries[: data["left"]], entries[data["left"] :]
    assert 1 <= len(finalists) <= 2
    assert all(entry["probability_closest"] > 0 and entry["interval"] for entry in finalists)
    assert all((entry["probability_closest"], entry["interval"]) == (None, None) for entry in behind)
    assert [entry["samples"] for entry in entries] == [train] * len(finalists) + [train // 4] * len(behind)
    small, full = (sum(recipe.samples == samples for recipe in passes) for samples in (train // 4, 1024))
    assert (small, full) == (4 * 2 + 2, 2 * len(finalists) + 4), "the second attempt repeats no pass of the first"


def fails_after(count: int, real: Callable[..., Any]) -> Callable[..., Any]:
    """Calls `real` so many times; then fails as on a full disk."""
    calls = iter(range(count))

    def limited(*arguments: Any, **options: Any) -> Any:
        if next(calls, None) is None:
            raise OSError("no space left on device")
        return real(*arguments, **options)

    return limited


def test_a_column_that_was_asked_for_is_measured_in_full_however_many_sources_there_are(
    add_baseline, add_column, finish, halved
) -> None:
    for seed in range(3):
        add_baseline(f"three-{seed}", seed=seed)
    add_baseline("two", labels=ACROSS)
    job = finish(add_column("two"))
    assert [entry["interval"] is not None for entry in job.result["columns"]["logme"]["distances"]] == [True] * 3


def test_a_baseline_whose_networks_diverged_is_reported_and_left_out(
    engine, add_baseline, add_column, finish, monkeypatch
) -> None:
    add_baseline("broken")
    add_baseline("two", labels=ACROSS)
    real = observations.load_task_network
    with reading(engine) as registry:
        diverged = {network.key for network in registry.task_results.networks("broken")}

    def load(context: Any, network: Any) -> Any:
        loaded = real(context, network)
        if network.key in diverged:
            loaded.backbone[0].weight.data.fill_(float("nan"))
        return loaded

    monkeypatch.setattr(observations, "load_task_network", load)
    job = finish(add_column("two"))
    assert job.state is JobState.SUCCEEDED
    column = job.result["columns"]["log_det_layerwise"]
    (entry,) = column["distances"]
    assert (column["verdict"], entry["name"], entry["mean"], entry["mend"]) == ("no_baseline", "broken", None, None)
    with reading(engine) as registry:
        (data,) = [event.data for event in registry.jobs.events_after(job.id) if event.kind == "unusable"]
    assert "not finite" in data["reason"]


@pytest.fixture
def stepwise(stripes_folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """As if 64 images were many: steps of 4 and 16, on more pictures. Gives the images of each Fisher pass."""
    random = np.random.default_rng(1)
    for path in [*stripes_folder.rglob("*.png")]:
        pixels = np.asarray(Image.open(path)).astype(int)
        for number in range(2):
            noisy = (pixels + random.integers(-20, 20, pixels.shape)).clip(0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(path.with_stem(f"{path.stem}-{number}"))
    monkeypatch.setattr(distance, "default_recipe", lambda network: Recipe(network=network, samples=64))
    monkeypatch.setattr(recipe, "_FEWEST_OF_A_STEP", 1)
    monkeypatch.setattr(observation, "_SMALLEST", 1)
    passed: list[int] = []
    real = observation.GrowingObservation._pass

    def counting(self: Any, start: int, end: int) -> Any:
        passed.append(end - start)
        return real(self, start, end)

    monkeypatch.setattr(observation.GrowingObservation, "_pass", counting)
    return passed


def test_a_column_that_a_few_images_decide_takes_no_more(
    engine, add_baseline, add_recommendation, finish, stepwise, monkeypatch
) -> None:
    monkeypatch.setattr(distance, "TOLERANCE", 1.0)  # whatever the images say
    for seed in range(2):
        add_baseline(f"three-{seed}", seed=seed)
    job_id = add_recommendation(labels=ACROSS)
    assert finish(job_id).state is JobState.SUCCEEDED
    with reading(engine) as registry:
        document = registry.recommendations.get("answer").document
        (event,) = [event.data for event in registry.jobs.events_after(job_id) if event.kind == "decided"]
        step = replace(default_recipe("small_cnn"), samples=4).digest
        stored = {name: registry.results.matrix(name, [step]) for name in ("log_det_layerwise", "logme", "log_det")}
    assert document["decided"] == event
    assert (event["samples"], event["of"]) == (4, 64)
    assert [entry["samples"] for entry in document["distances"]] == [4, 4]
    assert all(entry["interval"] and entry["probability_closest"] is not None for entry in document["distances"])
    assert document["provenance"]["recipe"]["digest"] == step
    assert [len(entries) for entries in stored.values()] == [2, 2, 0], "a few images do not forecast log_det"
    assert sum(stepwise) == 2 * (2 + 1 + 1) * 4, "two repetitions of two sources, the target and untrained networks"


def test_an_undecided_column_is_measured_in_full_and_passes_each_image_once(
    engine, add_baseline, add_recommendation, add_column, finish, stepwise, monkeypatch
) -> None:
    monkeypatch.setattr(distance, "TOLERANCE", -1.0)
    for seed in range(2):
        add_baseline(f"three-{seed}", seed=seed)
    job_id = add_recommendation(labels=ACROSS)
    assert finish(job_id).state is JobState.SUCCEEDED
    with reading(engine) as registry:
        document = registry.recommendations.get("answer").document
    assert (document["decided"], {entry["samples"] for entry in document["distances"]}) == (None, {64})
    assert sum(stepwise) == 2 * (2 + 1 + 1) * 64
    asked = finish(add_column(document["target"]["task_id"]))
    column = asked.result["columns"]["log_det_layerwise"]
    assert column["distances"] == document["distances"]
    assert sum(stepwise) == 2 * (2 + 1 + 1) * 64, "observed networks are not observed again"
