"""Datasets of other hosts: downloaded within limits, read, and removed."""

import ipaddress
import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from ldnas.errors import DatasetNotFoundError, ForbiddenLocationError, UnreadableDatasetError
from worker.jobs.stages import sources
from worker.outbound.downloads import download
from worker.outbound.guard import OutboundGuard
from worker.queue import runner
from worker.queue.exit_codes import Ending
from worker.registry import Engine, JobState, reading
from worker.s3 import S3Access
from worker.settings import Settings
from worker.storage.artifacts import open_store
from worker.storage.folder_store import FolderStore
from worker.storage.incoming import IncomingFile

LOOPBACK = ipaddress.ip_address("127.0.0.1")
SIGNATURE = "X-Amz-Signature=0123abc"


def local_guard(*hosts: str) -> OutboundGuard:
    """Reaches the test's own server under any name."""
    return OutboundGuard(
        hosts or None,
        schemes=("http",),
        resolve=lambda host, port: ["127.0.0.1"],
        allows=lambda address: address == LOOPBACK,
    )


def say(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def fetch(folder: Path, port: int, outbound: OutboundGuard | None = None, **options: Any) -> bytes:
    limits: dict[str, Any] = {
        "limit_bytes": 1000,
        "headers": {},
        "uri": "https://data/x.zip",
        "field": "dataset.uri",
        **options,
    }
    with IncomingFile(folder) as incoming:
        download(outbound or local_guard(), f"http://data.example.org:{port}/x.zip", incoming, **limits)
        incoming.flush()
        return incoming.path.read_bytes()


def test_a_file_is_downloaded_up_to_the_limit(serve, tmp_path: Path) -> None:
    port = serve(lambda handler: say(handler, bytes(1000)))
    assert fetch(tmp_path, port) == bytes(1000)
    with pytest.raises(UnreadableDatasetError, match="has 1000 bytes; at most 999"):
        fetch(tmp_path, port, limit_bytes=999)
    assert list(tmp_path.iterdir()) == []


def test_more_than_the_limit_without_a_length_is_cut_off(serve, tmp_path: Path) -> None:
    def stream(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            try:
                handler.wfile.write(bytes(10_000))
            except OSError:
                return

    with pytest.raises(UnreadableDatasetError, match="has more than 1000 bytes"):
        fetch(tmp_path, serve(stream))
    assert list(tmp_path.iterdir()) == []


def test_a_host_that_takes_its_time_is_given_up(serve, tmp_path: Path) -> None:
    port = serve(lambda handler: say(handler, bytes(1000)))
    with pytest.raises(UnreadableDatasetError, match="takes longer than"):
        fetch(tmp_path, port, limit_seconds=-1.0)


def test_what_comes_packed_is_not_unpacked(serve, tmp_path: Path) -> None:
    port = serve(lambda handler: say(handler, b"x", **{"Content-Encoding": "gzip"}))
    with pytest.raises(UnreadableDatasetError, match="was sent compressed"):
        fetch(tmp_path, port)


@pytest.mark.parametrize("status", [204, 304, 401, 403, 404, 410])
def test_a_host_that_does_not_give_it_is_a_refusal(serve, tmp_path: Path, status: int) -> None:
    port = serve(lambda handler: say(handler, b"", status))
    with pytest.raises(DatasetNotFoundError, match=f"answers {status}") as refusal:
        fetch(tmp_path, port)
    assert refusal.value.field == "dataset.uri"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_host_that_is_in_trouble_is_asked_again_later(serve, tmp_path: Path, status: int) -> None:
    port = serve(lambda handler: say(handler, b"", status))
    with pytest.raises(OSError, match=f"answers {status}"):
        fetch(tmp_path, port)


def test_a_host_that_breaks_off_is_asked_again_later(serve, tmp_path: Path) -> None:
    port = serve(lambda handler: say(handler, bytes(10), **{"Content-Length": "20"}))
    with pytest.raises(OSError, match="cannot be fetched now"):
        fetch(tmp_path, port)
    assert list(tmp_path.iterdir()) == []


def test_a_redirect_to_a_host_that_is_not_allowed_is_a_refusal(serve, tmp_path: Path) -> None:
    port = serve(lambda handler: say(handler, b"", 302, Location="http://inside.example.org/"))
    with pytest.raises(ForbiddenLocationError, match="inside"):
        fetch(tmp_path, port, local_guard(f"data.example.org:{port}"))


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one test double: jobs may reach the loopback interface, and plain HTTP."""
    monkeypatch.setattr(sources, "outbound_guard", lambda settings: local_guard())
    monkeypatch.setattr(sources, "remote_url", lambda reference, settings: reference.uri.replace("https:", "http:"))


def test_a_job_reads_a_file_of_another_host_and_leaves_nothing_of_it(
    serve, local, settings: Settings, stripes_zip: bytes, add_task, resolved
) -> None:
    port = serve(lambda handler: say(handler, stripes_zip))
    fetched = resolved(add_task("far", dataset={"uri": f"https://data.example.org:{port}/stripes.zip?key=1"}))
    near = resolved(add_task("near"))
    assert fetched.dataset.digest == near.dataset.digest
    assert list(settings.downloads.iterdir()) == []


def test_a_download_that_breaks_off_begins_again_within_the_attempt(
    serve, local, settings: Settings, monkeypatch: pytest.MonkeyPatch, stripes_zip: bytes, add_task, resolved
) -> None:
    monkeypatch.setattr(sources, "PAUSES_SECONDS", (0.01, 0.01))
    asked = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        if len(asked) < 3:
            say(handler, stripes_zip[:1000], **{"Content-Length": str(len(stripes_zip))})
        else:
            say(handler, stripes_zip)

    task = resolved(add_task("far", dataset={"uri": f"https://data.example.org:{serve(answer)}/stripes.zip"}))
    assert (len(task.dataset), len(asked)) == (36, 3)
    assert list(settings.downloads.iterdir()) == []


def test_a_host_that_stays_away_fails_the_attempt_and_leaves_nothing(
    serve, local, settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch, add_task, claim
) -> None:
    monkeypatch.setattr(sources, "PAUSES_SECONDS", (0.01, 0.01))
    asked = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        say(handler, b"", 503)

    job = claim(add_task("far", dataset={"uri": f"https://data.example.org:{serve(answer)}/stripes.zip"}))
    assert runner.run(settings, engine, job.id, job.attempt) is Ending.RELEASED
    with reading(engine) as registry:
        assert (registry.jobs.get(job.id).failures, len(asked)) == (1, 3)
    assert list(settings.downloads.iterdir()) == []


def everything(engine: Engine, store: FolderStore) -> str:
    """All that is stored but the references: answers, events, results, errors, and the files of architectures."""
    tables = ("recommendations", "jobs", "job_events", "architectures")
    with engine.connect() as connection:
        rows = {name: [*connection.exec_driver_sql(f"SELECT * FROM {name}").mappings()] for name in tables}
    requests = [json.loads(row["request"])["dataset"]["uri"] for row in rows["recommendations"]]
    assert all(SIGNATURE in uri for uri in requests), "a later attempt needs it"
    shown = [{key: value for key, value in row.items() if key != "request"} for table in rows.values() for row in table]
    files = [store.read(row[file]) for row in rows["architectures"] for file in ("weights", "code", "card")]
    return str(shown) + "".join(content.decode("utf-8", "replace") for content in files)


def test_a_signed_url_is_shown_without_its_signature(
    serve, local, engine: Engine, settings: Settings, stripes_zip: bytes, add_recommendation, add_task, finish, caplog
) -> None:
    caplog.set_level("INFO")
    caplog.set_level("WARNING", "httpx")  # as `configure_logging`
    asked: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        say(handler, stripes_zip, 200 if handler.path.startswith("/stripes") else 404)

    port = serve(answer)
    near = {"uri": f"https://data.example.org:{port}/stripes.zip?{SIGNATURE}"}
    gone = {"uri": f"https://data.example.org:{port}/gone.zip?{SIGNATURE}"}
    finish(add_task("known", dataset=near))
    assert finish(add_recommendation(dataset=near, repetitions=1)).state is JobState.SUCCEEDED
    error = finish(add_recommendation("gone", dataset=gone)).error
    assert asked == [f"/stripes.zip?{SIGNATURE}"] * 2 + [f"/gone.zip?{SIGNATURE}"]
    shown = f"https://data.example.org:{port}/gone.zip?…"
    assert (error["code"], error["origin"]) == ("dataset_not_found", shown)
    found = everything(engine, open_store(settings))
    assert f"https://data.example.org:{port}/stripes.zip?…" in found
    assert SIGNATURE not in found
    assert SIGNATURE not in caplog.text


def test_a_broken_image_is_named_by_its_place_in_the_file(serve, local, add_task, finish: Callable[[str], Any]) -> None:
    port = serve(lambda handler: say(handler, b"PAR1 and nothing"))
    job = finish(add_task("far", dataset={"uri": f"https://data.example.org:{port}/a/scans.parquet"}))
    assert job.state == JobState.FAILED
    assert (job.error["code"], job.error["origin"]) == ("unreadable_dataset", "scans.parquet")


def test_a_job_judges_the_host_again(add_task, finish: Callable[[str], Any], settings: Settings) -> None:
    job = finish(add_task("far", dataset={"uri": "https://127.0.0.1/scans.zip"}))
    assert job.state == JobState.FAILED
    assert job.error["code"] == "forbidden_location"
    assert list(settings.downloads.iterdir()) == []


def test_an_object_is_asked_for_with_a_signature(
    serve, settings: Settings, monkeypatch: pytest.MonkeyPatch, stripes_zip: bytes, add_task, resolved
) -> None:
    asked: list[tuple[str, str]] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append((handler.path, handler.headers["Authorization"]))
        say(handler, stripes_zip)

    access = S3Access(endpoint=f"http://s3.example.org:{serve(answer)}", key_id="me", secret="hidden")
    monkeypatch.setattr(sources, "outbound_guard", lambda settings: local_guard())
    task = resolved(add_task("far", dataset={"uri": "s3://scans/a%20b/stripes.zip"}), s3=access)
    assert len(task.dataset) == 36
    [(path, authorization)] = asked
    assert path == "/scans/a%20b/stripes.zip"
    assert authorization.startswith("AWS4-HMAC-SHA256 Credential=me/")
