"""The contract of artifact stores: a folder, and a bucket of a real server with the API of S3."""

import hashlib
import shutil
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.system.s3_server import S3Server
from worker.registry import open_engine, unit_of_work
from worker.s3 import S3Folder
from worker.settings import Settings
from worker.storage.artifacts import ArtifactStore, open_store
from worker.storage.bucket import Bucket
from worker.storage.cleaner import unowned_files
from worker.storage.local_copies import LocalCopies
from worker.storage.object_store import ObjectStore

ABSENT = hashlib.sha256(b"absent").hexdigest()


class Hosts:
    """Several hosts with one store.

    Attributes:
        tick_seconds: how far apart two events have to be for the store's clock to distinguish them.
    """

    def __init__(self, kind: str, folder: Path, s3: S3Server | None) -> None:
        self._folder = folder
        self.tick_seconds = 1.05 if s3 else 0.02
        self._environment = {"LDNAS_ARTIFACT_URL": str(folder / "shared")}
        if s3 is not None:
            self._environment = {**s3.settings, "LDNAS_ARTIFACT_URL": f"s3://scans/{uuid.uuid4().hex}/artifacts"}

    def settings(self, host: str) -> Settings:
        return Settings.from_environment({**self._environment, "LDNAS_HOME": str(self._folder / host)})

    def open(self, host: str = "a", *, stores_again: bool = False) -> ArtifactStore:
        """The store as this host sees it; `stores_again` makes any content too old to be found in place."""
        settings = self.settings(host)
        if not stores_again or not settings.artifact_url.startswith("s3:"):
            return open_store(settings)
        bucket = Bucket(S3Folder.of(settings.artifact_url), settings.s3)
        return ObjectStore(bucket, LocalCopies(settings.artifact_copies, 10**9), fresh_seconds=0.0)

    def tick(self) -> float:
        """A moment clearly after all that is stored so far, and clearly before all that is stored later."""
        time.sleep(self.tick_seconds)
        now = time.time()
        time.sleep(self.tick_seconds)
        return now


@pytest.fixture(params=["folder", "bucket"])
def hosts(request: pytest.FixtureRequest, tmp_path: Path) -> Hosts:
    s3 = request.getfixturevalue("s3") if request.param == "bucket" else None
    return Hosts(request.param, tmp_path, s3)


def receive(store: ArtifactStore, content: bytes) -> str:
    with store.receive() as incoming:
        incoming.write(content)
        incoming.flush()
        return store.put_incoming(incoming)


def test_what_one_host_stores_another_one_reads(hosts: Hosts) -> None:
    stored, other = hosts.open("a"), hosts.open("b")
    stored.check()
    digests = [stored.put(b"weights"), receive(stored, b"dataset" * 1000)]
    assert digests == [hashlib.sha256(content).hexdigest() for content in (b"weights", b"dataset" * 1000)]
    assert [other.exists(digest) for digest in (*digests, ABSENT)] == [True, True, False]
    assert [other.read(digest) for digest in digests] == [b"weights", b"dataset" * 1000]
    assert [other.local_file(digest).read_bytes() for digest in digests] == [b"weights", b"dataset" * 1000]
    for asked in (digests, [*digests, ABSENT]):
        assert other.sizes(sorted(asked)) == {digests[0]: 7, digests[1]: 7000}
    assert [other.stored_digest(digest) for digest in digests] == digests


def test_what_nobody_stored_is_reported_as_missing(hosts: Hosts) -> None:
    store = hosts.open()
    for read in (store.read, store.local_file, store.stored_digest):
        with pytest.raises(FileNotFoundError, match=ABSENT):
            read(ABSENT)
    assert store.sizes([]) == {}
    store.drop(ABSENT)
    assert not store.drop_old(ABSENT, time.time())
    assert list(store.old_digests(time.time(), 10)) == [[]]


def test_equal_content_is_stored_once(hosts: Hosts) -> None:
    store = hosts.open()
    digests = {store.put(b"equal"), store.put(b"equal"), receive(store, b"equal"), receive(hosts.open("b"), b"equal")}
    assert len(digests) == 1
    assert list(store.old_digests(hosts.tick(), 10)) == [[*digests]]
    assert store.read(*digests) == b"equal"


def test_content_that_is_stored_again_is_not_old_any_more(hosts: Hosts) -> None:
    store, other = hosts.open(stores_again=True), hosts.open("b")
    again, received, left = store.put(b"again"), receive(store, b"received"), store.put(b"left")
    before = hosts.tick()
    assert {digest for batch in other.old_digests(before, 2) for digest in batch} == {again, received, left}
    assert (store.put(b"again"), receive(store, b"received")) == (again, received)
    assert [digest for batch in other.old_digests(before, 2) for digest in batch] == [left]
    assert [other.drop_old(digest, before) for digest in (again, received, left)] == [False, False, True]
    assert [other.exists(digest) for digest in (again, received, left)] == [True, True, False]
    with pytest.raises(FileNotFoundError):
        hosts.open("c").read(left)


def test_old_content_comes_in_batches(hosts: Hosts) -> None:
    store = hosts.open()
    digests = {store.put(b"%d" % number) for number in range(5)}
    batches = list(store.old_digests(hosts.tick(), 2))
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert {digest for batch in batches for digest in batch} == digests


def test_a_checkpoint_can_be_resumed_on_another_host_until_it_is_removed(hosts: Hosts) -> None:
    store, other = hosts.open("a"), hosts.open("b")
    first, second = store.put_checkpoint("job", 1, 1, b"first"), store.put_checkpoint("job", 1, 2, b"second")
    later, of_another = store.put_checkpoint("job", 12, 1, b"later"), store.put_checkpoint("job2", 1, 1, b"other")
    assert [other.read_checkpoint(name) for name in (first, second, later)] == [b"first", b"second", b"later"]
    other.drop_checkpoint(first)
    other.drop_checkpoint(first)
    assert (store.read_checkpoint(first), store.read_checkpoint(second)) == (None, b"second")
    other.drop_checkpoints("job", attempt=1)
    assert [store.read_checkpoint(name) for name in (second, later, of_another)] == [None, b"later", b"other"]


def test_old_checkpoints_are_found_by_job_and_younger_ones_stay(hosts: Hosts) -> None:
    store = hosts.open()
    left, resumed = store.put_checkpoint("left", 1, 1, b"a"), store.put_checkpoint("resumed", 1, 1, b"b")
    before = hosts.tick()
    younger = store.put_checkpoint("resumed", 2, 1, b"c")
    assert list(store.old_checkpoint_jobs(before, 10)) == [["left"]]
    assert store.drop_old_checkpoints("left", before) == ["1-1"]
    assert store.drop_old_checkpoints("resumed", before) == ["1-1"]
    assert [store.read_checkpoint(name) for name in (left, resumed, younger)] == [None, None, b"c"]
    assert list(store.old_checkpoint_jobs(hosts.tick(), 10)) == [["resumed"]]


def test_files_of_dead_processes_are_swept_and_those_being_received_stay(hosts: Hosts) -> None:
    store = hosts.open()
    with store.receive() as alive:
        dead = store.receive()
        dead._file.close()  # as the system does when a process dies
        assert store.sweep() == 1
        assert (alive.path.exists(), dead.path.exists()) == (True, False)
    assert not alive.path.exists()


def test_many_hosts_store_and_read_at_once(hosts: Hosts) -> None:
    stores = [hosts.open(host, stores_again=True) for host in "abcd"]
    together = threading.Barrier(8)

    def store_and_read(number: int) -> set[bytes]:
        together.wait()
        store, other = stores[number % 4], stores[(number + 1) % 4]
        return {other.read(store.put(b"equal")), other.read(receive(store, b"%d" % (number // 2)))}

    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(store_and_read, range(8)))
    assert read == [{b"equal", b"%d" % (number // 2)} for number in range(8)]
    assert len({digest for batch in stores[0].old_digests(hosts.tick(), 9) for digest in batch}) == 5


def test_only_what_no_row_owns_and_no_job_resumes_is_removed(
    hosts: Hosts, migrated_sqlite: Path, tmp_path: Path
) -> None:
    engine = open_engine(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'rows.sqlite3')}")
    store = hosts.open()
    owned, stray = store.put(b"owned"), store.put(b"stray")
    with unit_of_work(engine) as registry:
        registry.results.store_artifact(owned, 5, "application/octet-stream")
        waiting = registry.jobs.insert("recommend", {}).id
    left, kept = (store.put_checkpoint(job_id, 1, 1, b"state") for job_id in ("deleted", waiting))
    hosts.tick()
    listed = [list(unowned_files(engine, store, hosts.tick_seconds / 2, remove=remove)) for remove in (False, True)]
    engine.dispose()
    assert listed == [[[stray], ["deleted"]], [[stray], ["1-1"]]]
    assert [hosts.open("b").exists(digest) for digest in (owned, stray)] == [True, False]
    assert (store.read_checkpoint(left), store.read_checkpoint(kept)) == (None, b"state")
