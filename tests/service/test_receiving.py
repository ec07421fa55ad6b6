"""Receiving a dataset: limits, connections and processes that end in the middle, and the process that reads it."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from service.api.routes import datasets as routes
from service.app import create_app
from tests.service.dataset_files import npz, stored_files
from worker.settings import Settings
from worker.storage.artifacts import open_store


def test_a_file_that_ends_its_reader_ends_nothing_else_and_leaves_nothing(
    http: httpx.Client, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The reader is a process of its own: here it aborts, as PyArrow does on some broken files."""
    package = tmp_path / "path" / "numpy"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("import os; os.abort()")
    monkeypatch.setenv("PYTHONPATH", f"{package.parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    answer = http.put("/v1/datasets/it", content=npz())
    assert (answer.status_code, answer.json()["code"]) == (422, "unreadable_dataset")
    assert "crashes the reader" in answer.json()["detail"]
    assert stored_files(settings) == []


def test_the_process_that_reads_a_file_of_anyone_has_no_secret(
    http: httpx.Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package, seen = tmp_path / "path" / "numpy", tmp_path / "seen"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"import os; open({str(seen)!r}, 'w').write(repr(os.environ)); os.abort()")
    monkeypatch.setenv("PYTHONPATH", f"{package.parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("LDNAS_DATABASE_URL", "postgresql://user:hidden@host/db")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    http.put("/v1/datasets/it", content=npz())
    assert "PATH" in seen.read_text()
    assert "hidden" not in seen.read_text()


@pytest.fixture
def small_app(settings: Settings) -> Iterator[FastAPI]:
    """An application that takes files of up to 3,000 bytes."""
    app = create_app(replace(settings, max_upload_bytes=3000))
    yield app
    app.state.resources.engine.dispose()


def send(app: FastAPI, messages: list[dict[str, Any]], headers: list[tuple[bytes, bytes]] = []) -> int | None:  # noqa: B006
    """The status that the application answers a PUT with whose body comes in these messages; None for no answer."""
    answers: list[dict[str, Any]] = []

    async def call() -> None:
        waiting = iter(messages)

        async def receive() -> dict[str, Any]:
            return next(waiting)

        async def take(message: dict[str, Any]) -> None:
            answers.append(message)

        path = "/v1/datasets/it"
        scope = {"type": "http", "method": "PUT", "path": path, "raw_path": path.encode(), "query_string": b""}
        await app({**scope, "headers": headers, "http_version": "1.1", "app": app}, receive, take)

    asyncio.run(call())
    return next((message["status"] for message in answers if message["type"] == "http.response.start"), None)


def piece(content: bytes, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": content, "more_body": more}


def test_a_file_over_the_limit_is_refused_with_and_without_a_declared_length(
    small_app: FastAPI, settings: Settings
) -> None:
    declared = [(b"content-length", b"3001")]
    assert send(small_app, [], declared) == 413  # nothing is read
    assert send(small_app, [piece(bytes(2000)), piece(bytes(1001), more=False)]) == 413
    assert stored_files(settings) == []
    # The largest that is accepted gets as far as its check; other bodies keep their own limit.
    assert send(small_app, [piece(bytes(2000)), piece(bytes(1000), more=False)]) == 422


def test_a_connection_that_ends_in_the_middle_leaves_nothing(
    app: FastAPI, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "WRITE_BYTES", 1000)
    seen: list[int] = []
    store = app.state.resources.store
    receive = store.receive

    def watched() -> Any:
        incoming = receive()
        write = incoming.write
        monkeypatch.setattr(incoming, "write", lambda chunk: (write(chunk), seen.append(len(stored_files(settings)))))
        return incoming

    monkeypatch.setattr(store, "receive", watched)
    send(app, [piece(npz()[:1500]), {"type": "http.disconnect"}])
    assert seen == [1]  # it was on disk already
    assert stored_files(settings) == []


DIE_WHILE_RECEIVING = """
import os, sys
from pathlib import Path
from worker.storage.folder_store import FolderStore
incoming = FolderStore(Path(sys.argv[1])).receive()
incoming.write(b"half of it")
incoming.flush()
os.kill(os.getpid(), 9)
"""


def test_what_a_killed_process_was_receiving_is_swept_at_the_next_start_and_what_a_living_one_receives_is_not(
    app: FastAPI, settings: Settings
) -> None:
    subprocess.run([sys.executable, "-c", DIE_WHILE_RECEIVING, settings.artifact_url], check=False, timeout=60)
    assert len(stored_files(settings)) == 1
    with open_store(settings).receive() as alive:

        async def start() -> None:
            async with app.router.lifespan_context(app):
                pass

        asyncio.run(start())
        assert stored_files(settings) == [alive.path]
    assert stored_files(settings) == []


def test_a_check_ends_when_the_service_does(http: httpx.Client, app: FastAPI, settings: Settings) -> None:
    app.state.resources.stopping.set()
    answer = http.put("/v1/datasets/arrays", content=npz())
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert stored_files(settings) == []


def test_a_full_disk_is_reported(http: httpx.Client, app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(root: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(app.state.resources.store, "receive", lambda: full(Path()))
    assert http.put("/v1/datasets/arrays", content=npz()).status_code == 507
