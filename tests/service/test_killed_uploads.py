"""An API that is killed in the middle of an upload leaves nothing for good, and takes nothing from another upload."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from tests.service.dataset_files import files_of, npz
from worker.registry import Engine, reading, unit_of_work
from worker.settings import Settings
from worker.storage.artifacts import open_store
from worker.storage.cleaner import DAY_SECONDS, GRACE_SECONDS, clean, unowned_files
from worker.storage.folder_store import FolderStore
from worker.storage.incoming import IncomingFile

RETENTION = 90 * DAY_SECONDS

# The samples are put in their place after the file and before the transaction is committed.
DIE_BEFORE_THE_COMMIT = """
import os, sys
from service.app import create_app
from service.api.uploads.receive import accept_upload
from worker.storage.folder_store import FolderStore
from worker.settings import Settings
resources = create_app(Settings.from_environment(os.environ)).state.resources
FolderStore.put = lambda store, content: os.kill(os.getpid(), 9)
with resources.store.receive() as incoming:
    incoming.write(sys.stdin.buffer.read())
    accept_upload(resources, "it", incoming, {})
"""
DIE_BEFORE_THE_MOVE = DIE_BEFORE_THE_COMMIT.replace("FolderStore.put", "FolderStore.put_incoming")


def upload_and_die(program: str, settings: Settings) -> None:
    environment = {**os.environ, "LDNAS_HOME": str(settings.home)}
    ended = subprocess.run([sys.executable, "-c", program], input=npz(), env=environment, check=False, timeout=120)
    assert ended.returncode == -9


def stored(settings: Settings) -> list[Path]:
    return files_of(Path(settings.artifact_url))


def age(path: Path) -> None:
    moment = path.stat().st_mtime - 1.1 * DAY_SECONDS
    os.utime(path, (moment, moment))


def test_a_file_whose_api_was_killed_before_its_row_was_committed_goes_after_a_day(
    engine: Engine, settings: Settings
) -> None:
    upload_and_die(DIE_BEFORE_THE_COMMIT, settings)
    digest = hashlib.sha256(npz()).hexdigest()
    store = open_store(settings)
    assert stored(settings) == [store.path(digest)]
    with reading(engine) as registry:
        assert registry.datasets.find("it") is None
        assert registry.results.artifact(digest) is None
    assert clean(engine, store, RETENTION).files == 0, "so young, its row may still be on its way"
    age(store.path(digest))
    assert clean(engine, store, RETENTION).files == 1
    assert stored(settings) == []


def test_the_same_upload_sent_again_takes_over_what_the_killed_one_left(
    http: httpx.Client, engine: Engine, settings: Settings
) -> None:
    upload_and_die(DIE_BEFORE_THE_COMMIT, settings)
    store = open_store(settings)
    left = store.path(hashlib.sha256(npz()).hexdigest())
    age(left)
    assert http.put("/v1/datasets/it", content=npz()).status_code == 201
    assert clean(engine, store, RETENTION).files == 0
    assert store.read(left.name) == npz()


def test_the_cleaner_removes_what_a_killed_api_was_receiving_and_nothing_that_another_receives(
    engine: Engine, settings: Settings
) -> None:
    upload_and_die(DIE_BEFORE_THE_MOVE, settings)
    store = open_store(settings)
    [half] = stored(settings)
    with store.receive() as alive:
        alive.write(b"half of it")
        alive.flush()
        age(alive.path)
        assert clean(engine, store, RETENTION).files == 1
        assert (half.exists(), alive.path.exists()) == (False, True)


def test_an_upload_that_the_cleaner_meets_on_its_way_is_stored_whole(
    http: httpx.Client, engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(settings)
    flush, put_incoming = IncomingFile.flush, FolderStore.put_incoming
    met: list[str] = []

    def meet_received_file(incoming: IncomingFile) -> None:
        flush(incoming)
        age(incoming.path)
        assert clean(engine, store, RETENTION).files == 0
        met.append("received")

    def meet_file_without_a_row(store: FolderStore, incoming: IncomingFile) -> str:
        digest = put_incoming(store, incoming)
        assert not any(unowned_files(engine, store, GRACE_SECONDS))
        met.append("stored")
        return digest

    monkeypatch.setattr(IncomingFile, "flush", meet_received_file)
    monkeypatch.setattr(FolderStore, "put_incoming", meet_file_without_a_row)
    assert http.put("/v1/datasets/it", content=npz()).status_code == 201
    assert store.read(hashlib.sha256(npz()).hexdigest()) == npz()
    assert met == ["received", "stored"]


def test_an_upload_to_object_storage_keeps_no_transaction_open(
    http: httpx.Client, other_app: FastAPI, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_incoming, stored_before_row = FolderStore.put_incoming, []

    def write_meanwhile(store: FolderStore, incoming: IncomingFile) -> str:
        with unit_of_work(other_app.state.resources.engine) as registry:
            registry.jobs.insert("recommend", {})
            stored_before_row.append(registry.datasets.find("it") is None)
        return put_incoming(store, incoming)

    monkeypatch.setattr(FolderStore, "stores_in_transaction", False)
    monkeypatch.setattr(FolderStore, "put_incoming", write_meanwhile)
    assert http.put("/v1/datasets/it", content=npz()).status_code == 201
    assert stored_before_row == [True]
    assert open_store(settings).read(hashlib.sha256(npz()).hexdigest()) == npz()
