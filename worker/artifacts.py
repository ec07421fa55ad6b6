"""Files by content: weights, code and checkpoints.

An artifact lies at `sha256/ab/abcdef…` below the store's root and is never changed; SQL rows own it. A checkpoint
belongs to one job and is named by the attempt that wrote it, so that an attempt which lost its lease can only ever
leave a file behind that nobody points to.
"""

import hashlib
import os
import uuid
from contextlib import suppress
from pathlib import Path

from worker.incoming import IncomingFile, sweep, sync_folder


class ArtifactStore:
    """A folder of artifacts and checkpoints on a local or shared volume."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, content: bytes) -> str:
        """Stores bytes and gives their SHA-256 digest in hexadecimal; equal content is stored once."""
        digest = hashlib.sha256(content).hexdigest()
        path = self.path(digest)
        if not path.exists():
            _write_atomically(path, content)
        return digest

    def receive(self) -> IncomingFile:
        """A file to write piece by piece, for `keep`; a context that leaves nothing behind where it was not kept."""
        return IncomingFile(self._root / "incoming")

    def keep(self, incoming: IncomingFile) -> str:
        """Makes what was received an artifact and gives its digest; equal content is stored once."""
        incoming.move_to(self.path(incoming.digest))
        return incoming.digest

    def drop(self, digest: str) -> None:
        """Removes an artifact that no row owns any more."""
        self.path(digest).unlink(missing_ok=True)

    def sweep(self) -> int:
        """Removes what processes that have died were receiving; how many files that were."""
        return sweep(self._root / "incoming")

    def path(self, digest: str) -> Path:
        """Where an artifact lies."""
        return self._root / "sha256" / digest[:2] / digest

    def read(self, digest: str) -> bytes:
        """The bytes of an artifact.

        Raises:
            FileNotFoundError: nothing of that digest is stored.
        """
        return self.path(digest).read_bytes()

    def put_checkpoint(self, job_id: str, attempt: int, sequence: int, content: bytes) -> str:
        """Writes one checkpoint of a job and gives its name below the store's root."""
        name = f"checkpoints/{job_id}/{attempt}-{sequence}"
        _write_atomically(self._root / name, content)
        return name

    def read_checkpoint(self, name: str) -> bytes | None:
        """The bytes of a checkpoint, or None where it is gone."""
        try:
            return (self._root / name).read_bytes()
        except FileNotFoundError:
            return None

    def drop_checkpoint(self, name: str) -> None:
        """Removes a checkpoint that nothing points to any more."""
        (self._root / name).unlink(missing_ok=True)

    def drop_checkpoints(self, job_id: str, *, attempt: int) -> None:
        """Removes the checkpoints that a job left up to this attempt; those of a later one stay."""
        folder = self._root / "checkpoints" / job_id
        for path in folder.glob("*-*"):
            if int(path.name.partition("-")[0]) <= attempt:
                path.unlink(missing_ok=True)
        with suppress(OSError):  # another attempt writes there
            folder.rmdir()


def open_store(artifact_url: str) -> ArtifactStore:
    """The store at `Settings.artifact_url`, which is the path of a folder so far."""
    return ArtifactStore(Path(artifact_url))


def _write_atomically(path: Path, content: bytes) -> None:
    """Either the whole file is at `path` afterwards, safe from a power cut, or nothing is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not the process id: two containers on one volume can have the same.
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
