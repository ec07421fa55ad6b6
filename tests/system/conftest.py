"""The real service as a user starts it, and functions that kill its parts."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
import pyarrow
import pyarrow.parquet
import pytest
from sqlalchemy import create_engine, make_url, text

from service.cli.supervision.home_lock import running_service
from worker.process.names import RUNNER
from worker.registry import open_engine, reading
from worker.settings import Settings

T = TypeVar("T")

PATIENCE_SECONDS = 240.0
ENDED = ("succeeded", "failed", "cancelled")
# Every process computes on one thread, so that the tests measure what happens and not how cores are shared.
QUIET = {
    "OMP_NUM_THREADS": "1",
    "LDNAS_DEVICE": "cpu",
    "LDNAS_NETWORK": "small_cnn",
    "LDNAS_STUDY": "off",
    "LDNAS_LEASE_SECONDS": "4",
}

SMALL_SEARCH = {"search": {"candidates": 2, "rounds": 2}, "budget": {"iterations": 2}, "repetitions": 2}


def until(look: Callable[[], T], what: str, seconds: float = PATIENCE_SECONDS) -> T:
    """What `look` gives once it is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.02)
    pytest.fail(f"not within {seconds:.0f} s: {what}")


class UpService:
    """`ldnas up` on a home of its own, and a client of it."""

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        self.home = home
        self.environment = {**os.environ, **QUIET, "LDNAS_HOME": str(home), "LDNAS_PORT": "0", **environment}
        self.process: subprocess.Popen[bytes] | None = None
        self.http = httpx.Client(timeout=30)

    def start(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "up.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "service.cli", "up"], env=self.environment, stdout=log, stderr=log
            )
        self.http.base_url = until(lambda: (found := running_service(self.home)) and found.url, "an address")
        until(self.is_ready, "the service is ready", 60)

    def is_ready(self) -> bool:
        try:
            return self.http.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def processes(self) -> list[psutil.Process]:
        """Everything that the supervisor started, runners included."""
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    def runners(self) -> list[psutil.Process]:
        """The runners of its worker, each a fork of the worker's fork server."""
        return [process for process in self.processes() if _name(process) == RUNNER]

    def part(self, module: str) -> psutil.Process:
        """The process that runs this module."""
        (process,) = [process for process in self.processes() if module in _command(process)]
        return process

    def stop(self) -> float:
        """SIGTERM to the supervisor; the seconds until it was gone."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        self.process = None
        return time.monotonic() - began

    def kill(self) -> None:
        """SIGKILL to the supervisor and to all that it started, at once: no process can end in order."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)  # it must not restart children that die before it
        children = self.processes()
        for child in children:
            child.kill()
        self.process.kill()
        self.process.wait()
        self.process = None
        _, alive = psutil.wait_procs(children, timeout=20)
        assert not alive

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.http.post(path, json=body)
        assert answer.status_code == 202, answer.text
        return answer.json()

    def register(self, name: str, dataset: dict[str, Any], **body: Any) -> dict[str, Any]:
        return self.post("/v1/tasks", {"name": name, "dataset": dataset, "repetitions": 2, **body})

    def recommend(self, dataset: dict[str, Any], **body: Any) -> dict[str, Any]:
        """Asks for a recommendation with a search that takes seconds."""
        return self.post("/v1/recommendations", {"dataset": dataset, **SMALL_SEARCH, **body})

    def get(self, path: str) -> dict[str, Any]:
        answer = self.http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ended(self, path: str) -> dict[str, Any]:
        """The document at `path` once its job has ended."""
        return until(lambda: (found := self.get(path))["state"] in ENDED and found, f"{path} ends")

    def events(self, job_id: str) -> list[dict[str, Any]]:
        """The kinds and data of a job's events so far, read off the database."""
        engine = open_engine(Settings.from_environment(self.environment).database_url)
        with reading(engine) as registry:
            rows = registry.jobs.events_after(job_id, limit=10_000)
        engine.dispose()
        return [{"kind": row.kind, **row.data} for row in rows]

    def wait_for_stage(self, job_id: str, stage: str) -> None:
        def reached() -> bool:
            return any(event["kind"] == "stage" and event["stage"] == stage for event in self.events(job_id))

        until(reached, f"job {job_id} is in {stage}")

    def ends_of(self, job_id: str) -> list[str]:
        """The terminal states that the job ever went into."""
        states = [event["state"] for event in self.events(job_id) if event["kind"] == "state"]
        return [state for state in states if state in ENDED]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""


@pytest.fixture
def start_up() -> Iterator[Callable[[Path, dict[str, str]], UpService]]:
    """Starts a service with these settings; it is stopped when the test ends."""
    started: list[UpService] = []

    def start(home: Path, environment: dict[str, str]) -> UpService:
        service = UpService(home, environment)
        started.append(service)
        service.start()
        return service

    yield start
    for service in started:
        if service.process is not None:
            service.stop()
        service.http.close()


@pytest.fixture
def up(tmp_path: Path, stripes_folder: Path, start_up: Callable[[Path, dict[str, str]], UpService]) -> UpService:
    """A running service on SQLite and the file-system broker that may read the stripes."""
    return start_up(tmp_path / "home", {"LDNAS_DATASET_ROOTS": str(stripes_folder.parent)})


@pytest.fixture
def stripes(stripes_folder: Path) -> dict[str, Any]:
    return {"uri": stripes_folder.as_uri()}


@pytest.fixture
def postgresql_database(postgresql_url: str) -> str:
    """An empty database of the test's own."""
    server = create_engine(make_url(postgresql_url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    name = f"system_{uuid.uuid4().hex}"
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    url = server.url.set(database=name)
    server.dispose()
    return url.render_as_string(hide_password=False)


@pytest.fixture
def mnist_subset(tmp_path: Path) -> Path:
    """The first 900 training and 300 test images of MNIST, in the layout of the complete files."""
    folder = tmp_path / "datasets" / "mnist"
    folder.mkdir(parents=True)
    for split, count in (("train", 900), ("test", 300)):
        source = Path(os.environ["LDNAS_TEST_DATA"]) / "mnist" / f"{split}.parquet"
        rows = pyarrow.parquet.ParquetFile(source).iter_batches(batch_size=count)
        pyarrow.parquet.write_table(pyarrow.Table.from_batches([next(rows)]), folder / f"{split}.parquet")
    return folder
