"""What object storage adds to the contract of artifact stores: copies on a host, damage, and a server that refuses."""

import hashlib
import os
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest

from tests.system.s3_server import BUCKET, S3Server
from worker.errors import ArtifactStoreError, SettingsError
from worker.s3 import S3Folder
from worker.settings import Settings
from worker.storage import bucket as bucket_module
from worker.storage.artifacts import open_store, require_usable_store
from worker.storage.bucket import Bucket
from worker.storage.cleaner import GRACE_SECONDS
from worker.storage.local_copies import RECENT_SECONDS, UNUSED_SECONDS, LocalCopies
from worker.storage.object_store import FRESH_SECONDS, ObjectStore

LARGE = os.urandom(4_000_000)
CLOSED_PORT = "https://127.0.0.1:9"


@pytest.fixture
def environment(s3: S3Server, tmp_path: Path) -> dict[str, str]:
    url = f"s3://{BUCKET}/{uuid.uuid4().hex}"
    return {**s3.settings, "LDNAS_HOME": str(tmp_path / "home"), "LDNAS_ARTIFACT_URL": url}


@pytest.fixture
def settings(environment: dict[str, str]) -> Settings:
    return Settings.from_environment(environment)


@pytest.fixture
def store(settings: Settings) -> ObjectStore:
    return open_store(settings)  # type: ignore[return-value]


def key_of(settings: Settings, digest: str) -> str:
    return f"{S3Folder.of(settings.artifact_url).prefix}/sha256/{digest[:2]}/{digest}"


def copies(settings: Settings) -> list[str]:
    return sorted(path.name for path in settings.artifact_copies.rglob("*") if path.is_file())


def test_a_damaged_object_is_refused_and_leaves_no_copy(settings: Settings, store: ObjectStore, s3: S3Server) -> None:
    digest = store.put(b"weights")
    s3.client().put_object(Bucket=BUCKET, Key=key_of(settings, digest), Body=b"weighty")
    for read in (store.read, store.local_file):
        with pytest.raises(ArtifactStoreError, match=rf"{digest} \(LDNAS_ARTIFACT_URL\) is damaged") as refusal:
            read(digest)
        assert not refusal.value.may_pass
    assert store.stored_digest(digest) != digest
    assert copies(settings) == []


def test_a_copy_serves_readers_and_is_no_proof_of_existence(
    settings: Settings, store: ObjectStore, s3: S3Server
) -> None:
    digest = store.put(b"weights")
    path = store.local_file(digest)
    assert copies(settings) == [digest]
    s3.client().delete_object(Bucket=BUCKET, Key=key_of(settings, digest))
    assert store.local_file(digest) == path
    assert (store.read(digest), store.exists(digest)) == (b"weights", False)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        store.read(digest)


def test_young_content_is_not_sent_again(settings: Settings, store: ObjectStore, s3: S3Server) -> None:
    digest = store.put(b"weights")
    # Other content in its place would be replaced by an upload.
    s3.client().put_object(Bucket=BUCKET, Key=key_of(settings, digest), Body=b"weighty")
    assert store.put(b"weights") == digest
    assert store.stored_digest(digest) != digest
    assert FRESH_SECONDS <= GRACE_SECONDS / 4


def test_copies_beyond_the_limit_go_and_recent_and_held_ones_stay(settings: Settings) -> None:
    digests = [open_store(settings).put(b"%d" % number * 100) for number in range(4)]
    cache, job = open_store(settings), open_store(settings, for_job=True)
    held, oldest, older = (cache.local_file(digest) for digest in digests[:3])
    assert job.local_file(digests[0]) == held
    now = time.time()
    for path, hours in ((held, 3), (oldest, 2), (older, 1)):
        os.utime(path, (now, now - hours * 3600))
    small = LocalCopies(settings.artifact_copies, limit_bytes=250)
    assert RECENT_SECONDS < 3600 < UNUSED_SECONDS
    assert small.trim() == 1
    assert [path.exists() for path in (held, oldest, older)] == [True, False, True]
    assert LocalCopies(settings.artifact_copies, limit_bytes=0).trim() == 1
    assert [path.exists() for path in (held, oldest, older)] == [True, False, False]
    recent = cache.local_file(digests[3])
    assert LocalCopies(settings.artifact_copies, limit_bytes=0).trim() == 0
    os.utime(recent, (now, now - UNUSED_SECONDS - 1))
    assert cache.sweep() == 1  # far from its limit, but unused for a day
    assert (recent.exists(), held.exists()) == (False, True)


def test_a_second_copy_leaves_the_first_one_to_the_job_that_holds_it(settings: Settings) -> None:
    """Two processes of a host that miss the same artifact both fetch it."""
    own, other = (LocalCopies(settings.artifact_copies, 0) for _ in range(2))
    digest = hashlib.sha256(b"weights").hexdigest()
    for copies_of in (own, other):
        with copies_of.receive() as incoming:
            incoming.write(b"weights")
            incoming.flush()
            copies_of.add(incoming, digest)
        held = own.find(digest, hold=True)
        assert held is not None
    old = time.time() - 2 * UNUSED_SECONDS
    os.utime(held, (old, old))
    assert other.trim() == 0
    assert held.read_bytes() == b"weights"
    assert copies(settings) == [digest]


def test_a_job_waits_for_a_server_that_is_away_and_others_fail_at_once(
    settings: Settings, s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.storage.object_store.JOB_PAUSES_SECONDS", (0.5,) * 20)
    monkeypatch.setattr(bucket_module, "TRIES", 1)
    job, api = open_store(settings, for_job=True), open_store(settings)
    digest = job.put(LARGE)
    s3.relay.pause_after(len(LARGE) // 2)
    arriving = threading.Thread(target=lambda: job.local_file(digest))
    arriving.start()
    while not s3.relay.is_paused:
        time.sleep(0.01)
    s3.kill_and_keep()
    with pytest.raises(ArtifactStoreError, match=r"LDNAS_ARTIFACT_URL is s3://.* does not answer") as away:
        api.exists(digest)
    assert away.value.may_pass
    assert isinstance(away.value, OSError)  # a job that meets it is tried again
    threading.Timer(0.5, s3.start).start()
    assert job.put(b"stored meanwhile")
    arriving.join(60)
    assert not arriving.is_alive()
    assert copies(settings) == [digest]
    assert job.read(digest) == LARGE


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"LDNAS_ARTIFACT_URL": "s3://elsewhere/ldnas"}, "has no such bucket; accepted: s3://BUCKET/PREFIX with a"),
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "refuses the key .*SignatureDoesNotMatch.*; accepted: credentials"),
        ({"AWS_ACCESS_KEY_ID": "wrong"}, "refuses the key .*InvalidAccessKeyId.*; accepted: credentials"),
        ({"AWS_SECRET_ACCESS_KEY": ""}, "cannot be prepared .*aws_secret_access_key.; accepted: credentials"),
        ({"AWS_ENDPOINT_URL": "minio"}, "cannot be prepared .*minio.*https://HOST in AWS_ENDPOINT_URL"),
        ({"AWS_REGION": "a b"}, "cannot be prepared .*a b.*a region in AWS_REGION"),
        ({"AWS_ACCESS_KEY_ID": ""}, "no key is set; accepted: credentials .AWS_ACCESS_KEY_ID and"),
    ],
)
def test_a_start_refuses_a_bucket_that_cannot_be_used(
    environment: dict[str, str], changed: dict[str, str], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    settings = Settings.from_environment({**environment, **changed})
    with pytest.raises(ArtifactStoreError, match=f"^LDNAS_ARTIFACT_URL is {settings.artifact_url}, and .*{reason}"):
        require_usable_store(settings)


def test_a_start_goes_on_while_the_server_is_away(
    environment: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    require_usable_store(Settings.from_environment({**environment, "AWS_ENDPOINT_URL": CLOSED_PORT}))
    assert "does not answer" in caplog.text
    assert "this process starts all the same" in caplog.text


def test_a_key_without_a_right_is_refused_by_that_name(
    settings: Settings, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.check()
    assert list(Bucket(S3Folder.of(settings.artifact_url), settings.s3).objects("")) == []
    monkeypatch.setattr(Bucket, "objects", lambda *_: iter(()))
    with pytest.raises(ArtifactStoreError, match="was stored and is not listed"):
        store.check()


def test_object_storage_needs_botocore_and_says_so(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("botocore")]:
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("worker.storage.bucket", "worker.storage.object_store"):
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(SettingsError, match=r"LDNAS_ARTIFACT_URL .* pip install 'ldnas\[service\]'"):
        open_store(settings)


def test_only_objects_below_the_prefix_belong_to_the_store() -> None:
    assert S3Folder.of("s3://bucket/a").contains("bucket", "a/b")
    assert not S3Folder.of("s3://bucket/a").contains("bucket", "ab")
    assert not S3Folder.of("s3://bucket/a").contains("other", "a/b")
    assert S3Folder.of("s3://bucket").contains("bucket", "b")
