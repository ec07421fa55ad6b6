"""First weights of a race that lie on another host: fetched once, kept for as long as they are needed, never run."""

import hashlib
import io
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
import torch

from tests.worker.local_guard import local_guard
from tests.worker.small_network import SMALL, small_weights
from worker.jobs import recommend
from worker.jobs.stages import sources
from worker.queue import runner
from worker.queue.exit_codes import Ending
from worker.registry import Engine, JobRow, JobState, reading
from worker.settings import Settings
from worker.storage.artifacts import open_store
from worker.storage.cleaner import clean
from worker.storage.folder_store import FolderStore

pytestmark = pytest.mark.usefixtures("ticking_races")


class Host:
    """Another host with one file; `asked` has the paths of the requests."""

    def __init__(self, serve: Callable[..., int]) -> None:
        self.content = b""
        self.asked: list[str] = []
        self.name = f"data.example.org:{serve(self._answer)}"
        self.uri = f"https://{self.name}/backbone.safetensors?key=1"
        self.shown = f"https://{self.name}/backbone.safetensors?…"

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.append(handler.path)
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(self.content)))
        handler.end_headers()
        handler.wfile.write(self.content)


def weights_of(seed: int) -> bytes:
    torch.manual_seed(seed)
    return small_weights()


@pytest.fixture
def host(serve: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> Host:
    """Jobs may reach it, although it is on the loopback interface and has plain HTTP."""
    own = Host(serve)
    own.content = weights_of(1)
    monkeypatch.setattr(sources, "outbound_guard", lambda settings: local_guard(*settings.remote_hosts))
    monkeypatch.setattr(sources, "remote_url", lambda reference, settings: reference.uri.replace("https:", "http:"))
    return own


@pytest.fixture
def settings(settings: Settings, host: Host) -> Settings:
    return replace(settings, remote_hosts=(host.name,))


@pytest.fixture
def store(settings: Settings) -> FolderStore:
    return open_store(settings)


@pytest.fixture
def add(add_race: Callable[..., str], host: Host) -> Callable[..., str]:
    """Asks for a race of this network alone; gives the id of the job."""
    return lambda **changes: add_race(
        candidates=["pretrained"],
        constraints={"max_parameters": 200_000},
        pretrained={"architecture": SMALL, "weights": host.uri, **changes},
    )


def remove_unused(engine: Engine, store: FolderStore) -> None:
    """Removes at once what the cleaner otherwise removes after a day."""
    clean(engine, store, 0.0, grace_seconds=-4000.0)


def test_the_weights_are_fetched_once_and_named_in_the_answer_its_files_and_its_card(
    add, finish: Callable[[str], JobRow], document_of, host: Host, engine: Engine, store: FolderStore
) -> None:
    digest = hashlib.sha256(host.content).hexdigest()
    assert finish(add()).state is JobState.SUCCEEDED
    assert host.asked == ["/backbone.safetensors?key=1"]
    document = document_of()
    (entry,) = document["alternatives"]
    assert (entry["started_from"], entry["design"]["weights"]) == (host.shown, digest)
    assert "key=1" not in json.dumps(document)
    with reading(engine) as registry:
        row = registry.architectures.get(document["architecture"]["id"])
    metadata = read_metadata(store.read(row.weights))
    assert metadata["started_from"] == host.shown
    assert json.loads(metadata["design"])["weights"] == digest
    card = store.read(row.card).decode()
    assert f"- training began at the weights of: `{host.shown}`" in card
    assert f"- SHA-256 of the first weights: `{digest}`" in card


def read_metadata(content: bytes) -> dict[str, str]:
    """The metadata of a safetensors file, whose header follows its length in eight bytes."""
    header = content[8 : 8 + int.from_bytes(content[:8], "little")]
    metadata: dict[str, str] = json.loads(header)["__metadata__"]
    return metadata


def test_the_cleaner_keeps_the_file_for_the_job_and_then_for_the_architecture(
    add, claim, finish, document_of, host: Host, engine: Engine, store: FolderStore, settings, monkeypatch
) -> None:
    digest = hashlib.sha256(host.content).hexdigest()
    job_id = add()
    with monkeypatch.context() as broken:
        broken.setattr(recommend, "fit_task_networks", lose_the_disk)
        assert runner.run(settings, engine, job_id, claim(job_id).attempt) is Ending.RELEASED
    remove_unused(engine, store)
    assert store.path(digest).is_file(), "the job has not ended"
    host.content = weights_of(2)
    start_now(engine)
    assert finish(job_id).state is JobState.SUCCEEDED
    assert len(host.asked) == 1, "the second attempt has the file of the first one"
    document = document_of()
    assert document["architecture"]["design"]["weights"] == digest
    remove_unused(engine, store)
    assert store.path(digest).is_file(), "training the architecture again needs it"
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM architectures")
    remove_unused(engine, store)
    assert not store.path(digest).is_file()
    with reading(engine) as registry:
        assert not registry.removable.owned([digest])


def lose_the_disk(*arguments: Any, **options: Any) -> None:
    raise OSError("no space left on device")


def start_now(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE jobs SET run_after = 0")


@pytest.mark.parametrize("is_changed", [False, True])
def test_a_file_that_was_removed_is_fetched_again_and_has_to_be_the_same(
    add, claim, finish, document_of, host: Host, engine: Engine, store: FolderStore, settings, monkeypatch, is_changed
) -> None:
    job_id = add()
    with monkeypatch.context() as broken:
        broken.setattr(recommend, "fit_task_networks", lose_the_disk)
        runner.run(settings, engine, job_id, claim(job_id).attempt)
    store.drop(hashlib.sha256(host.content).hexdigest())
    start_now(engine)
    if is_changed:
        host.content = weights_of(2)
    job = finish(job_id)
    assert len(host.asked) == 2
    if is_changed:
        assert (job.error["code"], job.error["field"]) == ("reference_changed", "pretrained.weights")
        assert job.error["origin"] == host.shown
        assert "key=1" not in json.dumps(job.error)
    else:
        assert job.state is JobState.SUCCEEDED


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return pytest.fail, ("the file was run",)


def saved_by_torch(value: Any) -> bytes:
    archive = io.BytesIO()
    torch.save(value, archive)
    return archive.getvalue()


@pytest.mark.parametrize("how", [pickle.dumps, saved_by_torch], ids=["pickle", "torch.save"])
def test_a_file_that_is_not_safetensors_is_refused_never_run_and_not_kept(
    add, finish, host: Host, store: FolderStore, document_of, how: Callable[[Any], bytes]
) -> None:
    host.content = how({"conv_stem.weight": Trap()})
    job = finish(add())
    assert (job.error["code"], job.error["field"]) == ("unreadable_dataset", "pretrained.weights")
    assert f"{host.shown} cannot be read as safetensors" in job.error["detail"]
    assert document_of()["cost"]["stage_seconds"]["fit"] == 0
    assert not store.path(hashlib.sha256(host.content).hexdigest()).exists()


@pytest.mark.parametrize("limit", [1000, 10**9])
def test_a_file_is_fetched_up_to_the_limit_of_uploads(
    add, claim, host: Host, engine: Engine, settings: Settings, limit: int
) -> None:
    job_id = add()
    runner.run(replace(settings, max_upload_bytes=limit), engine, job_id, claim(job_id).attempt)
    with reading(engine) as registry:
        job = registry.jobs.get(job_id)
    if limit == 1000:
        assert (job.error["code"], job.error["field"]) == ("unreadable_dataset", "pretrained.weights")
        assert f"has {len(host.content)} bytes; at most 1000 are fetched" in job.error["detail"]
    else:
        assert job.state is JobState.SUCCEEDED


def test_a_job_judges_the_host_again(add, finish, host: Host, settings: Settings) -> None:
    job = finish(add(weights="https://127.0.0.1/backbone.safetensors"))
    assert (job.error["code"], job.error["field"]) == ("forbidden_location", "pretrained.weights")
    assert host.asked == []
