"""A file that is being received: hashed while it is written, locked while its writer lives, gone unless it is kept."""

import fcntl
import hashlib
import os
import uuid
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

_SUFFIX = ".partial"


class IncomingFile:
    """A file in a folder of such; a context that removes it at its end, unless it was moved away.

    Whoever writes it holds a lock on it, which the system lets go of when the process dies, however it dies. So
    `sweep` tells what is still being received from what nobody will ever finish, on every host of a shared volume.

    Attributes:
        path: where it lies while it is received.
        size: bytes written so far.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path, self._file = _create_locked(folder)
        self._hash = hashlib.sha256()
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of what was written so far."""
        return self._hash.hexdigest()

    def write(self, chunk: bytes) -> None:
        """Appends bytes."""
        self._file.write(chunk)
        self._hash.update(chunk)
        self.size += len(chunk)

    def flush(self) -> None:
        """Makes what was written readable at `path`, and safe from a power cut."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def move_to(self, target: Path) -> None:
        """Puts the flushed file at its place, whole or not at all; what lay there is replaced."""
        target.parent.mkdir(parents=True, exist_ok=True)
        self.path.rename(target)
        sync_folder(target.parent)

    def close(self) -> None:
        """Removes it, unless it was moved away."""
        self.path.unlink(missing_ok=True)
        self._file.close()


def sweep(folder: Path) -> int:
    """Removes what was being received by processes that have died; how many files that were."""
    swept = 0
    for path in folder.glob(f"*{_SUFFIX}"):
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink(missing_ok=True)
                swept += 1
        except (BlockingIOError, FileNotFoundError):  # still being received, or moved away meanwhile
            continue
    return swept


def sync_folder(folder: Path) -> None:
    """Makes names in a folder safe from a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _create_locked(folder: Path) -> tuple[Path, BinaryIO]:
    while True:
        path = folder / f"{uuid.uuid4().hex}{_SUFFIX}"
        file = path.open("xb")
        fcntl.flock(file, fcntl.LOCK_EX)
        # Somebody who swept between the two lines above has taken it for abandoned.
        if path.exists():
            return path, file
        file.close()
