"""Artifacts and checkpoints in a folder: an artifact lies at `sha256/ab/abcdef…` below the store's root."""

import errno
import fcntl
import hashlib
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from worker.storage.incoming import IncomingFile, sweep, sync_folder


class FolderStore:
    """A folder of artifacts and checkpoints on a local or shared volume; see `worker.storage.artifacts.ArtifactStore`.

    A lock on the folder protects the storing of a file from the removal of equal content, on every host of the volume.
    """

    stores_in_transaction = True

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def local_folder(self) -> Path:
        """The folder itself."""
        return self._root

    def check(self) -> None:
        """Write and remove a file.

        Raises:
            OSError: the folder is not writable.
        """
        self._root.mkdir(parents=True, exist_ok=True)
        probe = self._root / f".{uuid.uuid4().hex}.probe"
        probe.write_bytes(b"probe")
        probe.unlink()

    def put(self, content: bytes) -> str:
        """Store bytes and return their SHA-256 digest in hexadecimal; equal content is stored once."""
        digest = hashlib.sha256(content).hexdigest()
        path = self.path(digest)
        with self._writing():
            if path.exists():
                os.utime(path)  # in use again: the cleaner must not remove it
            else:
                _write_atomically(path, content)
        return digest

    def receive(self) -> IncomingFile:
        """A file to write piece by piece for `put_incoming`; its context removes it at its end, unless stored."""
        return IncomingFile(self._root / "incoming")

    def put_incoming(self, incoming: IncomingFile) -> str:
        """Store a received file as an artifact and return its digest; equal content is stored once."""
        with self._writing():
            os.utime(incoming.path)
            incoming.move_to(self.path(incoming.digest))
        return incoming.digest

    def drop(self, digest: str) -> None:
        """Remove an artifact that no row owns any more."""
        self.path(digest).unlink(missing_ok=True)

    def old_digests(self, before: float, limit: int) -> Iterator[list[str]]:
        """The artifacts whose files were last stored before `before` (on the store's clock), `limit` at a time."""
        old: list[str] = []
        for path in (self._root / "sha256").glob("??/*"):
            if _is_old(path, before):
                if path.name.startswith("."):
                    path.unlink(missing_ok=True)  # an incomplete file, whose writer has died
                    continue
                old.append(path.name)
            if len(old) == limit:
                yield old
                old = []
        yield old

    def drop_old(self, digest: str, before: float) -> bool:
        """Remove the file of an artifact unless it was stored again since `before`; return whether it was removed."""
        with self._lock_file().open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # another process is storing a file: try again next time
                return False
            if not _is_old(self.path(digest), before):
                return False
            self.drop(digest)
            return True

    def old_checkpoint_jobs(self, before: float, limit: int) -> Iterator[list[str]]:
        """The jobs that left checkpoints before, `limit` at a time."""
        jobs = [folder.name for folder in (self._root / "checkpoints").glob("*") if _is_old(folder, before)]
        yield from (jobs[start : start + limit] for start in range(0, len(jobs), limit))

    def drop_old_checkpoints(self, job_id: str, before: float) -> list[str]:
        """Remove the checkpoints of a job that were written before; return their names."""
        folder = self._root / "checkpoints" / job_id
        old = [path for path in folder.glob("*") if _is_old(path, before)]
        for path in old:
            path.unlink(missing_ok=True)
        with suppress(OSError):  # the folder has newer ones
            folder.rmdir()
        return [path.name for path in old]

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """A shared lock against removal: any number of writers may hold it at once."""
        with self._lock_file().open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            yield

    def _lock_file(self) -> Path:
        self._root.mkdir(parents=True, exist_ok=True)
        return self._root / "sha256.lock"

    def sweep(self) -> int:
        """Remove the unfinished files of processes that have died; return their number."""
        return sweep(self._root / "incoming")

    def path(self, digest: str) -> Path:
        """The path of an artifact, whether it is stored or not."""
        return self._root / "sha256" / digest[:2] / digest

    def exists(self, digest: str) -> bool:
        """Whether the artifact is stored."""
        return self.path(digest).is_file()

    def local_file(self, digest: str) -> Path:
        """The file of an artifact.

        Raises:
            FileNotFoundError: nothing of that digest is stored.
        """
        path = self.path(digest)
        if not path.is_file():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        return path

    def read(self, digest: str) -> bytes:
        """The bytes of an artifact.

        Raises:
            FileNotFoundError: nothing of that digest is stored.
        """
        return self.path(digest).read_bytes()

    def sizes(self, digests: Sequence[str]) -> dict[str, int]:
        """The size in bytes of each of these artifacts that is stored."""
        paths = {digest: self.path(digest) for digest in digests}
        return {digest: path.stat().st_size for digest, path in paths.items() if path.exists()}

    def stored_digest(self, digest: str) -> str:
        """The SHA-256, in hexadecimal, of the bytes that are stored under this digest."""
        with self.path(digest).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def put_checkpoint(self, job_id: str, attempt: int, sequence: int, content: bytes) -> str:
        """Write one checkpoint of a job and return its name below the store's root."""
        name = f"checkpoints/{job_id}/{attempt}-{sequence}"
        _write_atomically(self._root / name, content)
        return name

    def read_checkpoint(self, name: str) -> bytes | None:
        """The bytes of a checkpoint, or None if it was removed."""
        try:
            return (self._root / name).read_bytes()
        except FileNotFoundError:
            return None

    def drop_checkpoint(self, name: str) -> None:
        """Remove a checkpoint that no row points to any more."""
        (self._root / name).unlink(missing_ok=True)

    def drop_checkpoints(self, job_id: str, *, attempt: int) -> None:
        """Remove the checkpoints of a job up to this attempt; those of a later attempt stay."""
        folder = self._root / "checkpoints" / job_id
        for path in folder.glob("*-*"):
            if int(path.name.partition("-")[0]) <= attempt:
                path.unlink(missing_ok=True)
        with suppress(OSError):  # another attempt is writing there
            folder.rmdir()


def _is_old(path: Path, before: float) -> bool:
    try:
        return path.stat().st_mtime < before
    except FileNotFoundError:
        return False


def _write_atomically(path: Path, content: bytes) -> None:
    """Write the whole file to `path`, safe from a power cut, or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not the process id: two containers on one volume can have the same one.
    partial = path.with_name(f".{uuid.uuid4().hex}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
    except OSError:
        with suppress(OSError):
            partial.unlink()  # on a full disk every byte counts
        raise
    sync_folder(path.parent)
