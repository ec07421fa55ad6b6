"""A file being received: hashed while it is written, locked while its writer lives, removed unless it is stored."""

import fcntl
import hashlib
import os
import uuid
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

_SUFFIX = ".partial"


class IncomingFile:
    """A file in a folder of such files; as a context it removes the file at its end, unless it was moved away.

    Its writer holds a lock on it, which the system releases when the process dies, however it dies. So `sweep` can
    distinguish files still being received from abandoned ones, on every host of a shared volume.

    Attributes:
        path: its path while it is being received.
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
        """SHA-256, in hexadecimal, of the bytes written so far."""
        return self._hash.hexdigest()

    def write(self, chunk: bytes) -> None:
        """Append bytes."""
        self._file.write(chunk)
        self._hash.update(chunk)
        self.size += len(chunk)

    def flush(self) -> None:
        """Make the written bytes readable at `path`, and safe from a power cut."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def move_to(self, target: Path) -> None:
        """Move the flushed file to `target`, whole or not at all; an existing file there is replaced."""
        target.parent.mkdir(parents=True, exist_ok=True)
        self.path.rename(target)
        sync_folder(target.parent)

    def link_to(self, target: Path) -> None:
        """Make the flushed file appear at `target`, whole; a file that is there already stays, and counts as new."""
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            target.hardlink_to(self.path)
        except FileExistsError:
            os.utime(target)
        sync_folder(target.parent)

    def close(self) -> None:
        """Remove the file, unless it was moved away."""
        self.path.unlink(missing_ok=True)
        self._file.close()


def sweep(folder: Path) -> int:
    """Remove the unfinished files of processes that have died; return their number."""
    swept = 0
    for path in folder.glob(f"*{_SUFFIX}"):
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink(missing_ok=True)
                swept += 1
        except (BlockingIOError, FileNotFoundError):  # still being received, or just moved away
            continue
    return swept


def sync_folder(folder: Path) -> None:
    """Make names in a folder safe from a power cut."""
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
        # A sweep between the two lines above took the file for abandoned.
        if path.exists():
            return path, file
        file.close()
