"""A migrated SQLite database in a home of its own, and jobs in it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ldnas.final import final_config
from ldnas.search.random import RandomSearchConfig
from worker import runner
from worker.endings import Ending
from worker.registry.models import Job, JobKind, TaskRole
from worker.registry.schema import migrate
from worker.registry.session import Engine, open_engine, reading, unit_of_work
from worker.settings import Settings
from worker.stages import export, search, train


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.from_environment(
        {"LDNAS_HOME": str(tmp_path), "LDNAS_DATASET_ROOTS": str(tmp_path / "datasets"), "LDNAS_DEVICE": "cpu"}
    )


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    migrate(settings.database_url)
    opened = open_engine(settings.database_url)
    yield opened
    opened.dispose()


@pytest.fixture(autouse=True)
def quick_exports(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch's exporters take seconds; tests/ldnas/export and the system tests have the real ones."""
    monkeypatch.setattr(export, "export_program", lambda network, image_size: None)
    monkeypatch.setattr(export, "save_program", lambda program, metadata: b"program")
    monkeypatch.setattr(export, "onnx_model", lambda program, metadata: b"onnx")


@pytest.fixture(autouse=True)
def quick_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """One epoch of a final training, two candidates of a baseline: no test here asks how good either is."""
    monkeypatch.setattr(train, "final_config", lambda *facts, **wishes: final_config(*facts, **{**wishes, "epochs": 1}))
    monkeypatch.setattr(search, "BASELINE_SEARCH", RandomSearchConfig(candidates=2, epochs=1))


TASK = {"labels": None, "architecture": None, "epsilon": 0.2, "repetitions": 2, "seed": 0, "image_size": None}


@pytest.fixture
def add_task(engine: Engine, stripes_folder: Path) -> Callable[..., str]:
    """Registers a baseline on the stripes; gives the id of its job."""

    def add(name: str, **columns: Any) -> str:
        with unit_of_work(engine) as registry:
            job = registry.jobs.insert(JobKind.REGISTER_TASK, {"task_id": name})
            dataset = {"uri": stripes_folder.as_uri()}
            values = {**TASK, "dataset": dataset, **columns}
            registry.tasks.insert(id=name, name=name, role=TaskRole.BASELINE, job_id=job.id, **values)
        return job.id

    return add


@pytest.fixture
def add_recommendation(engine: Engine, stripes_folder: Path) -> Callable[..., str]:
    """Asks for a recommendation on the stripes with a one-iteration search; gives the id of its job."""

    def add(
        id: str = "answer",
        *,
        request: dict[str, Any] | None = None,
        document: dict[str, Any] | None = None,
        **columns: Any,
    ) -> str:
        asked = {"search": {"candidates": 2, "rounds": 1}, "budget": {"iterations": 1}, **(request or {})}
        with unit_of_work(engine) as registry:
            job = registry.jobs.insert(JobKind.RECOMMEND, {"recommendation_id": id, "task_id": f"target-of-{id}"})
            values = {**TASK, "dataset": {"uri": stripes_folder.as_uri()}, **columns}
            asked["dataset"] = values["dataset"]
            registry.tasks.insert(id=f"target-of-{id}", name=id, role=TaskRole.TARGET, job_id=job.id, **values)
            registry.recommendations.insert(
                id=id, name=id, job_id=job.id, task_id=f"target-of-{id}", request=asked, document=document or {}
            )
        return job.id

    return add


@pytest.fixture
def claim(engine: Engine) -> Callable[[str], Job]:
    """Takes a job as a worker would."""

    def take(job_id: str) -> Job:
        with unit_of_work(engine) as registry:
            job = registry.jobs.claim(job_id, worker="test", lease_seconds=60)
        assert job is not None
        return job

    return take


@pytest.fixture
def finish(settings: Settings, engine: Engine, claim: Callable[[str], Job]) -> Callable[[str], Job]:
    """Runs a job to its end in this process."""

    def run(job_id: str) -> Job:
        job = claim(job_id)
        assert runner.run(settings, engine, job_id, job.attempt) is Ending.RECORDED
        with reading(engine) as registry:
            return registry.jobs.get(job_id)

    return run
