"""The real application over a migrated SQLite database, without a server: each test has its own."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from service.api.security.tokens import draw_key, hash_of, prefix_of
from service.app import create_app
from tests.service.measured import keep_distance
from worker.registry import Engine, Scope, unit_of_work
from worker.registry.schema import migrate
from worker.settings import Settings


class InProcess(httpx.BaseTransport):
    """Sends each request straight into the application, bugs answered as a server would."""

    def __init__(self, app: FastAPI) -> None:
        self._transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def answer() -> httpx.Response:
            response = await self._transport.handle_async_request(request)
            return httpx.Response(response.status_code, headers=response.headers, content=await response.aread())

        return asyncio.run(answer())


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("migrated") / "ldnas.sqlite3"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def settings(tmp_path: Path, migrated_database: Path) -> Settings:
    home = tmp_path / "home"
    (home / "datasets").mkdir(parents=True)
    shutil.copy(migrated_database, home / "ldnas.sqlite3")
    return Settings.from_environment({"LDNAS_HOME": str(home), "LDNAS_STUDY": "off"})


@pytest.fixture
def app(settings: Settings) -> Iterator[FastAPI]:
    app = create_app(settings)
    yield app
    app.state.resources.engine.dispose()


@pytest.fixture
def engine(app: FastAPI) -> Engine:
    return app.state.resources.engine


@pytest.fixture
def make_key(engine: Engine) -> Callable[..., str]:
    """Makes a key of a scope and gives its text; its name is the scope's where none is given."""

    def make(scope: str, name: str | None = None, quota: int | None = None) -> str:
        key = draw_key()
        with unit_of_work(engine) as registry:
            registry.keys.insert(
                name=name or scope, prefix=prefix_of(key), hash=hash_of(key), scope=Scope(scope), quota=quota
            )
        return key

    return make


@pytest.fixture
def worker_listed(engine: Engine) -> None:
    """A worker that has sent its first heartbeat."""
    with unit_of_work(engine) as registry:
        registry.workers.beat(
            id="0" * 32, name="host:1:0", host="host", devices=["cpu"], version="0", heartbeat_seconds=15.0, gpus=[]
        )


@pytest.fixture
def http(app: FastAPI) -> Iterator[httpx.Client]:
    with httpx.Client(transport=InProcess(app), base_url="http://service") as client:
        yield client


@pytest.fixture
def other_app(settings: Settings) -> Iterator[FastAPI]:
    """The application of another process on the same database."""
    app = create_app(settings)
    yield app
    app.state.resources.engine.dispose()


@pytest.fixture
def other_http(other_app: FastAPI) -> Iterator[httpx.Client]:
    with httpx.Client(transport=InProcess(other_app), base_url="http://service") as client:
        yield client


@pytest.fixture
def task_body() -> dict[str, Any]:
    """The smallest body that registers a task."""
    return {"name": "odd_or_even", "dataset": {"uri": "builtin://digits"}}


@pytest.fixture
def labelled_body(task_body: dict[str, Any]) -> dict[str, Any]:
    return task_body | {"labels": {"groups": [[1, 3, 5, 7, 9]], "rest": True}}


@pytest.fixture
def measured_tasks(http: httpx.Client, task_body: dict, engine: Engine) -> dict[str, str]:
    """Two baselines and a target: "a" to "b" measured twice, "a" to the target once, and nothing else."""
    ids = {name: http.post("/v1/tasks", json=task_body | {"name": name}).json()["id"] for name in ("a", "b")}
    ids["t"] = http.post("/v1/recommendations", json=task_body | {"name": "t"}).json()["target"]["task_id"]
    with unit_of_work(engine) as registry:
        for name, id in ids.items():
            for repetition in range(2):
                registry.results.store_network(
                    key=f"{name}{repetition}",
                    architecture="small_cnn",
                    seed=repetition,
                    classes=2,
                    weights="w",
                    parameters=7,
                    validation_accuracy=0.9,
                    validation_balanced_accuracy=0.9,
                    seconds=1.0,
                )
                registry.task_results.link_network(id, repetition, f"{name}{repetition}")
    for source, target, value in (("a0", "b0", 1.0), ("a1", "b1", 2.0), ("a0", "t0", 0.5)):
        keep_distance(engine, source, target, value)
    return ids
