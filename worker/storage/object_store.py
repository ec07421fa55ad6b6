"""Artifacts and checkpoints in object storage, with copies on this host; decision 0016 has the reasons.

The bucket is the truth: an artifact exists if it is there, and `put` returns when it is. A copy on this host only saves
a download, since its content was compared with its name when it was fetched.

The cleaner removes an artifact that no row owns if it was last stored before the grace period. `put` therefore stores
content again whose object is older than `FRESH_SECONDS`, a part of that period: its row then has the rest of the period
to appear. One gap remains, since the cleaner asks for an object's time and then removes it, in two requests: content
that is stored again between them is lost. Only content that no row has owned for a day can be lost like this.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from worker.errors import ArtifactStoreError
from worker.s3 import S3Folder
from worker.settings import Settings
from worker.storage.bucket import Bucket
from worker.storage.incoming import IncomingFile
from worker.storage.local_copies import LocalCopies

FRESH_SECONDS = 6 * 3600.0
"""The age up to which stored content is not stored again; a quarter of the cleaner's grace period."""

JOB_PAUSES_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Between the tries of a job's request: storage that is away for a minute costs a job none of its attempts."""


class ObjectStore:
    """Artifacts and checkpoints below a prefix of a bucket; see `worker.storage.artifacts.ArtifactStore`.

    Args:
        fresh_seconds: the age up to which stored content is not stored again.
        holds_files: whether a local file that was handed out stays until this process ends.
    """

    stores_in_transaction = False

    def __init__(
        self, bucket: Bucket, copies: LocalCopies, *, fresh_seconds: float = FRESH_SECONDS, holds_files: bool = False
    ) -> None:
        self._bucket = bucket
        self._copies = copies
        self._fresh_seconds = fresh_seconds
        self._holds_files = holds_files

    @classmethod
    def of(cls, settings: Settings, *, for_job: bool) -> "ObjectStore":
        """The store of these settings, whose URL is `s3://…`; see `worker.storage.artifacts.open_store`."""
        bucket = Bucket(S3Folder.of(settings.artifact_url), settings.s3, pauses=JOB_PAUSES_SECONDS if for_job else ())
        copies = LocalCopies(settings.artifact_copies, settings.artifact_cache_bytes)
        return cls(bucket, copies, holds_files=for_job)

    @property
    def local_folder(self) -> Path:
        """The folder of the copies."""
        return self._copies.folder

    def check(self) -> None:
        """Store, list, read and remove an object.

        Raises:
            ArtifactStoreError: one of these failed.
        """
        name = f"probes/{uuid4().hex}"
        self._bucket.put(name, b"probe")
        if [found.name for found in self._bucket.objects(name)] != [name]:
            raise ArtifactStoreError(f"LDNAS_ARTIFACT_URL: {self._bucket.url(name)} was stored and is not listed")
        self._bucket.read_into(name, bytes, begin=bytes)
        self._bucket.remove(name)

    def put(self, content: bytes) -> str:
        """Store bytes and return their SHA-256 digest in hexadecimal; equal content is stored once."""
        digest = hashlib.sha256(content).hexdigest()
        self._upload(digest, content)
        return digest

    def receive(self) -> IncomingFile:
        """A file to write piece by piece for `put_incoming`; its context removes it at its end, unless stored."""
        return self._copies.receive()

    def put_incoming(self, incoming: IncomingFile) -> str:
        """Store a received file as an artifact and return its digest; equal content is stored once."""
        self._upload(incoming.digest, incoming.path)
        self._copies.add(incoming, incoming.digest)
        return incoming.digest

    def _upload(self, digest: str, body: bytes | Path) -> None:
        age = self._bucket.age(_name(digest))
        if age is None or age >= self._fresh_seconds:
            self._bucket.put(_name(digest), body)

    def exists(self, digest: str) -> bool:
        """Whether the artifact is in the bucket; a copy on this host does not count, since other hosts have none."""
        return self._bucket.age(_name(digest)) is not None

    def local_file(self, digest: str) -> Path:
        """A copy of the artifact on this host, fetched now unless it is there.

        Raises:
            FileNotFoundError: nothing of that digest is stored.
            ArtifactStoreError: the object has other content than its name says, or cannot be fetched.
        """
        return self._local_file(digest, hold=self._holds_files)

    def read(self, digest: str) -> bytes:
        """The bytes of an artifact, of its copy on this host.

        Raises:
            FileNotFoundError, ArtifactStoreError: see `local_file`.
        """
        return self._local_file(digest, hold=False).read_bytes()

    def _local_file(self, digest: str, *, hold: bool) -> Path:
        while (path := self._copies.find(digest, hold=hold)) is None:
            self._fetch(digest)
        return path

    def _fetch(self, digest: str) -> None:
        tries: list[IncomingFile] = []

        def begin() -> None:
            for broken_off in tries:
                broken_off.close()
            tries.append(self._copies.receive())

        try:
            self._bucket.read_into(_name(digest), lambda chunk: tries[-1].write(chunk), begin=begin)
            fetched = tries[-1]
            if fetched.digest != digest:
                raise ArtifactStoreError(
                    f"{self._bucket.url(_name(digest))} (LDNAS_ARTIFACT_URL) is damaged: its SHA-256 is "
                    f"{fetched.digest}; restore it from a backup, or from an earlier version of the object"
                )
            fetched.flush()
            self._copies.add(fetched, digest)
        finally:
            for incoming in tries:
                incoming.close()

    def sizes(self, digests: Sequence[str]) -> dict[str, int]:
        """The size in bytes of each of these artifacts, in ascending order, that is stored."""
        wanted, sizes = set(digests), {}
        if not wanted:
            return {}
        # One request for a thousand objects, not one for each.
        for found in self._bucket.objects("sha256/", after=_name(digests[0])[:-1]):
            if found.name > _name(digests[-1]):
                break
            sizes[_digest(found.name)] = found.size
        return {digest: size for digest, size in sizes.items() if digest in wanted}

    def stored_digest(self, digest: str) -> str:
        """The SHA-256, in hexadecimal, of the bytes that are stored under this digest, without a copy on this host.

        Raises:
            FileNotFoundError: nothing of that digest is stored.
        """
        tries: list[Any] = []  # hashlib has no name for its type
        self._bucket.read_into(
            _name(digest), lambda chunk: tries[-1].update(chunk), begin=lambda: tries.append(hashlib.sha256())
        )
        return str(tries[-1].hexdigest())

    def drop(self, digest: str) -> None:
        """Leave the artifact to the cleaner: another host may be about to own equal content."""

    def old_digests(self, before: float, limit: int) -> Iterator[list[str]]:
        """The artifacts that were last stored before `before`, `limit` at a time."""
        old: list[str] = []
        for found in self._bucket.objects("sha256/"):
            if found.modified < before:
                old.append(_digest(found.name))
            if len(old) == limit:
                yield old
                old = []
        yield old

    def drop_old(self, digest: str, before: float) -> bool:
        """Remove an artifact unless it was stored again since `before`; return whether it was removed."""
        modified = self._bucket.modified(_name(digest))
        if modified is None or modified >= before:
            return False
        self._bucket.remove(_name(digest))
        return True

    def put_checkpoint(self, job_id: str, attempt: int, sequence: int, content: bytes) -> str:
        """Write one checkpoint of a job and return its name: another host may resume the job."""
        name = f"checkpoints/{job_id}/{attempt}-{sequence}"
        self._bucket.put(name, content)
        return name

    def read_checkpoint(self, name: str) -> bytes | None:
        """The bytes of a checkpoint, or None if it was removed."""
        content = bytearray()
        try:
            self._bucket.read_into(name, content.extend, begin=content.clear)
        except FileNotFoundError:
            return None
        return bytes(content)

    def drop_checkpoint(self, name: str) -> None:
        """Remove a checkpoint that no row points to any more."""
        self._bucket.remove(name)

    def drop_checkpoints(self, job_id: str, *, attempt: int) -> None:
        """Remove the checkpoints of a job up to this attempt; those of a later attempt stay."""
        for found in list(self._bucket.objects(f"checkpoints/{job_id}/")):
            if int(found.name.rpartition("/")[2].partition("-")[0]) <= attempt:
                self._bucket.remove(found.name)

    def old_checkpoint_jobs(self, before: float, limit: int) -> Iterator[list[str]]:
        """The jobs that wrote no checkpoint since `before`, and left some, `limit` at a time."""
        newest: dict[str, float] = {}
        for found in self._bucket.objects("checkpoints/"):
            job_id = found.name.split("/")[1]
            newest[job_id] = max(found.modified, newest.get(job_id, 0.0))
        jobs = [job_id for job_id, modified in newest.items() if modified < before]
        yield from (jobs[start : start + limit] for start in range(0, len(jobs), limit))

    def drop_old_checkpoints(self, job_id: str, before: float) -> list[str]:
        """Remove the checkpoints of a job that were written before; return their names."""
        old = [found.name for found in self._bucket.objects(f"checkpoints/{job_id}/") if found.modified < before]
        for name in old:
            self._bucket.remove(name)
        return [name.rpartition("/")[2] for name in old]

    def sweep(self) -> int:
        """Remove from this host the unfinished files of dead processes, and copies that were not used for long."""
        return self._copies.sweep()


def _name(digest: str) -> str:
    return f"sha256/{digest[:2]}/{digest}"


def _digest(name: str) -> str:
    return name.rpartition("/")[2]
