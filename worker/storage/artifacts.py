"""Stores files by content: weights, code and checkpoints.

An artifact is named by its SHA-256 and is never changed; SQL rows own it. A checkpoint belongs to one job, and its
name has the attempt that wrote it, so that an attempt which lost its lease can at most leave behind a file that no row
points to. Decision 0016 compares the two stores.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from worker.errors import ArtifactStoreError, SettingsError
from worker.settings import Settings
from worker.storage.folder_store import FolderStore
from worker.storage.incoming import IncomingFile

log = logging.getLogger(__name__)


class ArtifactStore(Protocol):
    """Artifacts and checkpoints, in a folder or in object storage; safe for threads, processes and hosts at once.

    Every method raises OSError if the store fails; that of object storage is an `ArtifactStoreError`.
    """

    @property
    def stores_in_transaction(self) -> bool:
        """Whether a new artifact is stored inside the transaction that inserts its row.

        A folder: yes, which takes a rename. So a deletion of equal content, which removes the file inside its own
        transaction, happens before or after. Object storage: no, an upload takes long; only the cleaner removes files
        there, and none that was stored within its grace period.
        """
        ...

    @property
    def local_folder(self) -> Path:
        """The folder on this host whose disk the store fills."""
        ...

    def check(self) -> None:
        """Write and remove a file."""
        ...

    def put(self, content: bytes) -> str:
        """Store bytes and return their SHA-256 digest in hexadecimal; equal content is stored once."""
        ...

    def receive(self) -> IncomingFile:
        """A file to write piece by piece for `put_incoming`; its context removes it at its end, unless stored."""
        ...

    def put_incoming(self, incoming: IncomingFile) -> str:
        """Store a received and flushed file as an artifact and return its digest; equal content is stored once."""
        ...

    def exists(self, digest: str) -> bool:
        """Whether the artifact is stored, where every host finds it."""
        ...

    def local_file(self, digest: str) -> Path:
        """A file on this host with the content of the artifact; it must not be changed.

        Raises:
            FileNotFoundError: nothing of that digest is stored.
        """
        ...

    def read(self, digest: str) -> bytes:
        """The bytes of an artifact.

        Raises:
            FileNotFoundError: nothing of that digest is stored.
        """
        ...

    def sizes(self, digests: Sequence[str]) -> dict[str, int]:
        """The size in bytes of each of these artifacts, in ascending order, that is stored."""
        ...

    def stored_digest(self, digest: str) -> str:
        """The SHA-256, in hexadecimal, of the bytes that are stored under this digest, read in full.

        Raises:
            FileNotFoundError: nothing of that digest is stored.
        """
        ...

    def drop(self, digest: str) -> None:
        """Remove an artifact that no row owns any more, now or with a later cleaning."""
        ...

    def old_digests(self, before: float, limit: int) -> Iterator[list[str]]:
        """The artifacts that were last stored before `before` (on the store's clock), `limit` at a time."""
        ...

    def drop_old(self, digest: str, before: float) -> bool:
        """Remove an artifact unless it was stored again since `before`; return whether it was removed."""
        ...

    def put_checkpoint(self, job_id: str, attempt: int, sequence: int, content: bytes) -> str:
        """Write one checkpoint of a job and return its name below the store's root."""
        ...

    def read_checkpoint(self, name: str) -> bytes | None:
        """The bytes of a checkpoint, or None if it was removed."""
        ...

    def drop_checkpoint(self, name: str) -> None:
        """Remove a checkpoint that no row points to any more."""
        ...

    def drop_checkpoints(self, job_id: str, *, attempt: int) -> None:
        """Remove the checkpoints of a job up to this attempt; those of a later attempt stay."""
        ...

    def old_checkpoint_jobs(self, before: float, limit: int) -> Iterator[list[str]]:
        """The jobs that wrote no checkpoint since `before`, and left some, `limit` at a time."""
        ...

    def drop_old_checkpoints(self, job_id: str, before: float) -> list[str]:
        """Remove the checkpoints of a job that were written before; return their names."""
        ...

    def sweep(self) -> int:
        """Remove from this host the unfinished files of processes that have died; return their number."""
        ...


def open_store(settings: Settings, *, for_job: bool = False) -> ArtifactStore:
    """The store at `Settings.artifact_url`; nothing is read or sent yet.

    Args:
        for_job: whether one job uses it: object storage that is away for a minute then costs the job no attempt, and
            its local files stay until the process ends.

    Raises:
        SettingsError: the URL names object storage, and botocore is not installed.
        ArtifactStoreError: the variables of the key, the endpoint or the region are not valid.
    """
    if not settings.artifact_url.startswith("s3://"):
        return FolderStore(Path(settings.artifact_url))
    try:
        # Loaded only for object storage: it takes a third of a second.
        from worker.storage.object_store import ObjectStore
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "botocore":
            raise
        accepted = "the path of a folder, until botocore is installed: pip install 'ldnas[service]'"
        raise SettingsError("LDNAS_ARTIFACT_URL", settings.artifact_url, accepted) from error
    return ObjectStore.of(settings, for_job=for_job)


def require_usable_store(settings: Settings) -> None:
    """Check object storage when a process starts; log a warning if it does not answer, which may pass.

    Raises:
        SettingsError: see `open_store`.
        ArtifactStoreError: the bucket does not exist, or refuses the credentials.
    """
    if not settings.artifact_url.startswith("s3://"):
        return
    try:
        open_store(settings).check()
    except ArtifactStoreError as error:
        if not error.may_pass:
            raise
        log.warning("%s; this process starts all the same", error)
