"""The demo's own steps, with the real application (and no worker) or a few answers behind it."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.cli.demo import background, following
from service.cli.demo import run as demo
from service.cli.demo.following import follow_all
from service.cli.demo.history import JobHistory
from service.cli.supervision.errors import DemoFailedError
from service.cli.supervision.home_lock import home_locked
from service.client import Client, submission
from service.client.architectures import FILES
from service.client.documents import Recommendation, read
from service.client.errors import JobFailedError, UnreachableError
from service.client.events import Event
from service.client.submission import Submission
from service.schemas.tasks import Task
from worker.registry import Engine, JobRow, Registry, unit_of_work
from worker.settings import Settings
from worker.storage.folder_store import FolderStore


@pytest.fixture
def client(http: httpx.Client) -> Iterator[Client]:
    def forward(request: httpx.Request) -> httpx.Response:
        answer = http.request(request.method, request.url, headers=request.headers, content=request.read())
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    with Client("http://service", transport=httpx.MockTransport(forward)) as client:
        yield client


def test_every_task_of_the_demo_is_one_that_the_service_accepts(client: Client) -> None:
    known = [demo._baseline(client, task) for task in demo.BASELINES]
    assert len({submission.id for submission in known}) == 4
    assert client.recommend(demo.DATASET, labels=demo.TARGET.labels).document["state"] == "queued"


def test_a_second_demo_finds_the_tasks_of_the_first(client: Client) -> None:
    first = [demo._baseline(client, task).id for task in demo.BASELINES]
    assert [demo._baseline(client, task).id for task in demo.BASELINES] == first


def test_a_task_that_failed_in_an_earlier_demo_is_registered_again(client: Client, engine: Engine) -> None:
    failed = demo._baseline(client, demo.BASELINES[0])
    with unit_of_work(engine) as registry:
        job = registry.leases.claim(failed.document["job_id"], worker="w", lease_seconds=60)
        assert job is not None
        registry.leases.fail(job.id, job.attempt, {"code": "internal", "detail": "x", "field": None, "origin": None})
    again = demo._baseline(client, demo.BASELINES[0])
    assert again.id != failed.id
    assert [task["id"] for task in client.tasks(role="baseline")] == [again.id]


class Scripted:
    """A service whose job goes through these states, one with each poll, and sends these events."""

    def __init__(self, states: list[str], events: list[Event]) -> None:
        self.states = states
        self._events = events

    absence_seconds = 0.0

    def read(self, kind: Any, path: str) -> Any: ...

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return httpx.Response(200, json={"state": state, "progress": {}})

    def follow(self, resource: str, last_event_id: int = 0) -> Iterator[Event]:
        if not self._events:
            raise UnreachableError("http://service", "no streams here")
        yield from self._events

    def submission(self) -> Submission[Task]:
        return Submission(self, {"id": "1"}, "/v1/tasks/1", "/v1/jobs/1", Task)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(submission, "POLL_SECONDS", 0.0)


@pytest.mark.usefixtures("quick")
def test_several_jobs_are_followed_to_their_ends_with_or_without_events() -> None:
    streamed = [Event(1, "state", {"state": "running"}), Event(2, "state", {"state": "succeeded"})]
    jobs = {
        JobHistory("silent", ""): Scripted(["queued", "running", "running", "failed"], []).submission(),
        JobHistory("streamed", ""): Scripted(["running"], streamed).submission(),
    }
    lines: list[tuple[str, str]] = []
    follow_all(jobs, lambda history, line: lines.append((history.label, line)) if line else None)
    assert {history.label: history.state for history in jobs} == {"silent": "failed", "streamed": "succeeded"}
    assert lines == [("streamed", "running"), ("streamed", "succeeded")]


def test_an_event_that_comes_late_does_not_undo_an_end() -> None:
    history = JobHistory("late", "")
    history.update({"state": "succeeded"})
    history.apply(Event(1, "state", {"state": "running"}))
    assert history.state == "succeeded"


def test_the_files_of_an_answer_are_written(tmp_path: Path) -> None:
    files = {f"/v1/architectures/a1/{file}": file.encode() for file in FILES}
    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=files[request.url.path]))
    document = {"architecture": {"id": "a1"}, "verdict": "closest"}
    answer = read(Recommendation, document)
    folder = demo._export(Client("http://service", transport=transport), answer, tmp_path / "demo")
    assert {name: (folder / name).read_text() for name in FILES.values()} == {
        name: file for file, name in FILES.items()
    }
    assert json.loads((folder / "recommendation.json").read_text()) == document


def test_a_service_that_runs_on_the_home_is_used_and_left_running(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "is_ready", lambda url: True)
    monkeypatch.setattr(subprocess, "Popen", None)
    with home_locked(settings.home) as announce:
        announce("http://127.0.0.1:8123")
        with background.service_on(settings) as url:
            assert url == "http://127.0.0.1:8123"


def test_a_service_that_cannot_start_fails_the_demo_with_its_reason(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "UP", (sys.executable, "-c", "raise SystemExit('no room')"))
    with (
        pytest.raises(
            DemoFailedError, match=rf"exited during its start: no room\nThe logs are in {settings.home}/logs"
        ),
        background.service_on(settings),
    ):
        pass


class WorkerInWords(threading.Thread):
    """Takes every job that is due and stores events for it, as a worker would that needs no time to compute."""

    def __init__(self, engine: Engine, store: FolderStore) -> None:
        super().__init__(daemon=True)
        self.stop = threading.Event()
        self._engine = engine
        self._store = store

    def run(self) -> None:
        while not self.stop.wait(0.02):
            with unit_of_work(self._engine) as registry:
                for job_id in registry.jobs.due(republish_seconds=0.0):
                    job = registry.leases.claim(job_id, worker="w", lease_seconds=60)
                    assert job is not None
                    if job.kind == "register_task":
                        network = {"balanced_validation_accuracy": 0.975, "repetition": 0, "repetitions": 1}
                        registry.leases.add_event(job.id, job.attempt, "network", network)
                    else:
                        self._recommend(registry, job)
                    registry.leases.finish(job.id, job.attempt, {})

    def _recommend(self, registry: Registry, job: JobRow) -> None:
        names = {row.task.id: row.task.name for row in registry.tasks.baselines()}
        distances = [
            {"task_id": task, "name": name, "measure": "log_det_layerwise", "mean": 0.5 + place, "std": 0.125}
            for place, (task, name) in enumerate(sorted(names.items(), key=lambda item: item[1]))
        ]
        for distance in distances:
            registry.leases.add_event(job.id, job.attempt, "distance", distance)
        recommendation = registry.recommendations.by_job(job.id)
        assert recommendation is not None
        files = {kind: self._store.put(kind.encode()) for kind in ("code", "weights", "program", "onnx", "card")}
        for kind, digest in files.items():
            registry.results.store_artifact(digest, len(kind), "text/plain")
        architecture = registry.architectures.insert_once(
            recommendation_id=recommendation.id,
            job_id=job.id,
            name="primes",
            genotype={"edges": []},
            skeleton={},
            class_names=[],
            preprocessing={},
            parameters=1234,
            macs=5678,
            validation={},
            test={},
            **files,
        )
        document = {
            "verdict": "closest",
            "closest": {**distances[0], "distance": 0.5, "probability": None},
            "distances": distances,
            "architecture": {"id": architecture.id, "parameters": 1234, "macs": 5678},
            "test": {"accuracy": 0.975, "interval": [0.95, 0.99], "balanced_accuracy": 0.97},
        }
        registry.recommendations.merge_document(recommendation.id, job.id, job.attempt, document)


@pytest.mark.timeout(60)
@pytest.mark.usefixtures("quick")
def test_the_demo_comes_from_nothing_to_an_answer(
    client: Client,
    engine: Engine,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(demo, "service_on", lambda settings: nullcontext("http://service"))
    monkeypatch.setattr(demo, "Client", lambda url, api_key, absence_seconds: client)
    worker = WorkerInWords(engine, FolderStore(Path(settings.artifact_url)))
    worker.start()
    try:
        document = demo.run_demo(settings, show_answer=True)
    finally:
        worker.stop.set()
        worker.join()
    assert (document["state"], document["verdict"], len(document["distances"])) == ("succeeded", "closest", 4)
    assert (settings.home / "demo" / "network.py").read_text() == "code"
    shown = capsys.readouterr()
    assert "The closest known task is closed_loops." in shown.out
    assert "accuracy 0.9750, 95 % interval 0.950 to 0.990" in shown.out
    assert "network.py" in shown.out
    assert "primes: distance from closed_loops: 0.5000 ± 0.1250" in shown.err
    assert "ten_digits: network 1 of 1: balanced validation accuracy 0.975" in shown.err


@pytest.mark.usefixtures("quick")
def test_a_demo_whose_job_fails_says_why_and_where_the_logs_lie(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(jobs: Mapping[JobHistory, Submission[Any]], report: following.Report) -> None:
        raise JobFailedError({"detail": "class 2 has 3 images"})

    monkeypatch.setattr(demo, "service_on", lambda settings: nullcontext("http://service"))
    monkeypatch.setattr(demo, "Client", lambda url, api_key, absence_seconds: client)
    monkeypatch.setattr(demo, "follow_all", refuse)
    with pytest.raises(DemoFailedError, match=rf"class 2 has 3 images\nThe logs are in {settings.home}/logs"):
        demo.run_demo(settings, show_answer=True)
