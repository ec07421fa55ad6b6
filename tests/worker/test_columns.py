"""The distance stage: the job `distances`, many baselines halved, and nothing computed twice."""

from collections.abc import Callable
from typing import Any

import pytest

from ldnas.distance import halving
from ldnas.recipe import MEASURES, STANDING_MEASURES
from ldnas.space.genotype import Genotype
from worker import runner
from worker.endings import Ending
from worker.registry.models import Job, JobKind, JobState
from worker.registry.session import Engine, reading, unit_of_work
from worker.settings import Settings
from worker.stages import distance, observations

ACROSS = {"groups": [["across"]], "rest": True, "balance": False}
POOLS = Genotype(("max_pool_3x3",) * 6)


@pytest.fixture
def run(settings: Settings, engine: Engine, claim: Callable[[str], Job]) -> Callable[[str], Job]:
    """Runs a job to its end in this process."""

    def to_the_end(job_id: str) -> Job:
        job = claim(job_id)
        assert runner.run(settings, engine, job_id, job.attempt) is Ending.RECORDED
        with reading(engine) as registry:
            return registry.jobs.get(job_id)

    return to_the_end


@pytest.fixture
def add_baseline(engine: Engine, add_task: Callable[..., str], run: Callable[[str], Job]) -> Callable[..., None]:
    """A baseline that is ready, with a given genotype in place of a search."""

    def add(name: str, **columns: Any) -> None:
        job_id = add_task(name, **columns)
        with unit_of_work(engine) as registry:
            rows = [{"digest": POOLS.digest, "genotype": POOLS.to_json()}]
            kept = registry.results.keep_search(POOLS.digest, "given", rows)
            registry.tasks.link_genotypes(name, [row.id for row in kept])
        assert run(job_id).state is JobState.SUCCEEDED

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


def test_a_column_is_measured_by_every_measure_and_kept(engine, add_baseline, add_column, run, passes) -> None:
    add_baseline("three")
    add_baseline("two", labels=ACROSS, seed=1)
    job = run(add_column("two", measures=[*MEASURES]))
    assert job.state is JobState.SUCCEEDED, job.error
    assert job.result["target"] == {"task_id": "two", "name": "two"}
    assert list(job.result["columns"]) == [*MEASURES]
    for name, column in job.result["columns"].items():
        (entry,) = column["distances"]
        assert (entry["name"], entry["measure"], entry["repetitions"]) == ("three", name, 2)
        assert set(entry["others"]) == set(MEASURES) - {name}
        assert column["scale"]["untrained_distance"] is not None
    with reading(engine) as registry:
        matrix = registry.results.matrix("frechet", None)
    assert [(row.source_task_id, row.target_task_id, row.repetitions) for row in matrix] == [("three", "two", 2)]
    assert len(passes) == 6, "two repetitions of source, target and untrained networks"
    again = run(add_column("two", measures=[*MEASURES]))
    assert again.result["columns"] == job.result["columns"]
    assert len(passes) == 6, "what was measured is not measured again"


def test_fewer_repetitions_can_be_asked_for(add_baseline, add_column, run, passes) -> None:
    add_baseline("three")
    add_baseline("two", labels=ACROSS, seed=1)
    job = run(add_column("two", repetitions=1, sources=["three"]))
    (entry,) = job.result["columns"]["log_det"]["distances"]
    assert (entry["repetitions"], entry["interval"], entry["probability_closest"]) == (1, None, None)
    assert len(passes) == 3


def test_a_column_needs_its_sources(add_baseline, add_column, run) -> None:
    add_baseline("two", labels=ACROSS)
    job = run(add_column("two", sources=["nobody"]))
    assert job.result["columns"]["log_det"]["verdict"] == "no_baseline"
    assert job.result["eligibility"][0]["reason"] == "it is not registered any more"


def test_many_baselines_are_halved_before_the_rest_is_measured_in_full(
    engine, add_baseline, add_recommendation, run, passes, monkeypatch
) -> None:
    monkeypatch.setattr(halving, "FINALISTS", 2)
    for seed in range(4):
        add_baseline(f"three-{seed}", seed=seed)
    assert run(add_recommendation(labels=ACROSS)).state is JobState.SUCCEEDED
    with reading(engine) as registry:
        entries = registry.recommendations.get("answer").document["distances"]
        (story,) = [event.data for event in registry.jobs.events_after(_job_of(registry)) if event.kind == "halving"]
    assert story["sources"] == 4
    finalists, behind = entries[: story["left"]], entries[story["left"] :]
    assert 1 <= len(finalists) <= 2
    assert all(entry["probability_closest"] > 0 and entry["interval"] for entry in finalists)
    assert all(entry["probability_closest"] == 0.0 and entry["interval"] is None for entry in behind)
    assert all(entry["mean"] > 0 for entry in entries)
    small, full = (sum(recipe.samples == samples for recipe in passes) for samples in (256, 1024))
    assert (small, full) == (4 * 2 + 2, 2 * len(finalists) + 4)


def _job_of(registry: Any) -> str:
    return str(registry.recommendations.get("answer").job_id)


def test_the_column_of_a_small_registry_is_measured_in_full() -> None:
    assert distance.plan_rungs(4, 3, None) == ()
