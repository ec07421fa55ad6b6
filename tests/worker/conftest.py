"""A migrated SQLite database in a home of its own, and jobs in it."""

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch

from ldnas.export.description import OnnxVersions
from ldnas.memory.starter import StarterMemory
from ldnas.race.race import RaceProblem
from ldnas.search.random import RandomSearchConfig
from ldnas.training.final import final_config
from tests.worker.small_network import small_weights
from worker.jobs.checkpoints import Checkpoints
from worker.jobs.context import JobContext
from worker.jobs.stages import export, race, race_cells, search_plan, study, train, warm_cells
from worker.jobs.stages.resolve import ResolvedTask, resolve
from worker.queue import runner
from worker.queue.exit_codes import Ending
from worker.registry import (
    Engine,
    JobKind,
    JobRow,
    TaskCell,
    TaskRole,
    TaskTraining,
    open_engine,
    reading,
    unit_of_work,
)
from worker.registry.schema import migrate
from worker.settings import Settings
from worker.storage.artifacts import open_store


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
def same_threads() -> Iterator[None]:
    """A job in this process may set torch's number of threads, on which the last bits of every later sum depend."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def quick_exports(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch's exporters take seconds; tests/ldnas/export and the system tests have the real ones."""
    monkeypatch.setattr(export, "export_program", lambda network, image_size: None)
    monkeypatch.setattr(export, "save_program", lambda program, metadata: b"program")
    monkeypatch.setattr(export, "onnx_model", lambda program, metadata: b"onnx")
    monkeypatch.setattr(export, "onnx_versions", lambda content: OnnxVersions(opset=14, ir=7))


@pytest.fixture(autouse=True)
def quick_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """One epoch of a final training, two candidates of a baseline: no test here asks how good either is."""
    monkeypatch.setattr(train, "final_config", lambda *facts, **wishes: final_config(*facts, **{**wishes, "epochs": 1}))
    monkeypatch.setattr(search_plan, "BASELINE_SEARCH", RandomSearchConfig(candidates=2, epochs=1))


@pytest.fixture(autouse=True)
def no_starter_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """No scores and cells from the package: a test about them replaces this."""
    for stage in (race_cells, study, warm_cells):
        monkeypatch.setattr(stage, "read_starter", StarterMemory)


RACE_LABELS = {"groups": [["across"]], "rest": True, "balance": False}
RACE_TICK = 1 / 8
"""Seconds between two looks at the clock of a race."""

TASK = {"labels": None, "architecture": None, "epsilon": 0.2, "repetitions": 2, "seed": 0, "image_size": None}


@pytest.fixture
def add_task(engine: Engine, stripes_folder: Path) -> Callable[..., str]:
    """Registers a baseline on the stripes, with a study if wanted (`{"cells": 1}`); gives the id of its job."""

    def add(name: str, *, study: dict[str, Any] | None = None, default_study: bool = False, **columns: Any) -> str:
        params = {"task_id": name, "study": study, "default_study": default_study}
        with unit_of_work(engine) as registry:
            job = registry.jobs.insert(JobKind.REGISTER_TASK, params)
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
def claim(engine: Engine) -> Callable[[str], JobRow]:
    """Claims a job as a worker does."""

    def take(job_id: str) -> JobRow:
        with unit_of_work(engine) as registry:
            job = registry.leases.claim(job_id, worker="test", lease_seconds=60)
        assert job is not None
        return job

    return take


@pytest.fixture
def finish(settings: Settings, engine: Engine, claim: Callable[[str], JobRow]) -> Callable[[str], JobRow]:
    """Runs a job to its end in this process."""

    def run(job_id: str) -> JobRow:
        job = claim(job_id)
        assert runner.run(settings, engine, job_id, job.attempt) is Ending.RECORDED
        with reading(engine) as registry:
            return registry.jobs.get(job_id)

    return run


@pytest.fixture
def ticking_races(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at a race's clock is `RACE_TICK` later than the last one, so that it takes the same cycles anywhere."""

    def problem(*arguments: Any, **options: Any) -> RaceProblem:
        ticks = itertools.count()
        return RaceProblem(*arguments, **{**options, "clock": lambda: RACE_TICK * next(ticks)})

    monkeypatch.setattr(race, "RaceProblem", problem)
    monkeypatch.setattr(race, "_race_seconds", lambda answer, candidates: 20.0)


@pytest.fixture
def add_race(add_recommendation: Callable[..., str]) -> Callable[..., str]:
    """Asks for a race on the stripes; gives the id of its job."""

    def add(**request: Any) -> str:
        asked = {"search": {"strategy": "race"}, "budget": {"seconds": 60}, **request}
        return add_recommendation(request=asked, labels=RACE_LABELS, repetitions=1)

    return add


@pytest.fixture
def document_of(engine: Engine) -> Callable[[], dict[str, Any]]:
    def read() -> dict[str, Any]:
        with reading(engine) as registry:
            return registry.recommendations.get("answer").document

    return read


Answer = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], int]]:
    """Starts an HTTP server on the loopback interface; gives its port."""
    servers = []

    def start(answer: Answer) -> int:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer(self)

            def do_POST(self) -> None:
                answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return server.server_port

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def resolved(engine: Engine, settings: Settings, claim: Callable[[str], JobRow]) -> Callable[..., ResolvedTask]:
    """Runs the first stage of a task's job."""

    def begin(job_id: str, **changes: Any) -> ResolvedTask:
        job = claim(job_id)
        store = open_store(settings)
        context = JobContext(
            settings=replace(settings, **changes),
            engine=engine,
            store=store,
            checkpoints=Checkpoints(engine, store, job.id, job.attempt, None),
            job_id=job.id,
            attempt=job.attempt,
            device=torch.device("cpu"),
        )
        return resolve(context, job.params["task_id"])

    return begin


@pytest.fixture
def upload(engine: Engine, settings: Settings) -> Callable[..., str]:
    """Stores a file under a name, as the service does; gives its digest."""

    def keep(name: str, kind: str, content: bytes, **reference: str) -> str:
        digest = open_store(settings).put(content)
        columns: dict[str, Any] = {"kind": kind, "reference": reference, "sha256": digest, "bytes": len(content)}
        with unit_of_work(engine) as registry:
            registry.datasets.store({digest: (len(content), "application/octet-stream")}, name=name, **columns)
        return digest

    return keep


@pytest.fixture
def backbone(upload: Callable[..., str]) -> str:
    """Uploads the weights of the small network; gives their digest."""
    return upload("mine", "safetensors", small_weights())


@pytest.fixture
def cells_of(engine: Engine) -> Callable[[str], list[TaskCell]]:
    def read(task_id: str) -> list[TaskCell]:
        with reading(engine) as registry:
            return registry.task_results.cells(task_id)

    return read


@pytest.fixture
def trainings_of(engine: Engine) -> Callable[[str], list[TaskTraining]]:
    def read(task_id: str) -> list[TaskTraining]:
        with reading(engine) as registry:
            return registry.task_results.trainings(task_id)

    return read
