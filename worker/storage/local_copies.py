"""Copies of artifacts on this host: files that can be fetched again, and are removed when they are too many."""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

from worker.storage.incoming import IncomingFile, sweep

RECENT_SECONDS = 900.0
"""A copy that was handed out within this time stays: a process may be about to open it."""

UNUSED_SECONDS = 86400.0
"""A copy that was not handed out for so long is removed at the next `trim`: deleted data should not stay on a host."""


class LocalCopies:
    """Whole, verified copies of artifacts below a folder that several processes of a host use at once.

    Args:
        limit_bytes: the size beyond which the copies that were not used for the longest time are removed. The recent
            copies and those of running jobs stay, so the folder may be larger for a while.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.folder = folder
        self._limit_bytes = limit_bytes
        self._held: set[str] = set()

    def receive(self) -> IncomingFile:
        """A file to write before `add`."""
        return IncomingFile(self.folder / "incoming")

    def add(self, incoming: IncomingFile, digest: str) -> None:
        """Take a flushed file, whose digest the caller has compared, and make room if the copies are too many.

        An existing copy stays: a job may hold it.
        """
        incoming.link_to(self._path(digest))
        self.trim()

    def find(self, digest: str, *, hold: bool = False) -> Path | None:
        """The copy of an artifact, marked as used now; None if this host has none.

        Args:
            hold: whether the copy stays until this process ends, even if it is not used for long.
        """
        path = self._path(digest)
        try:
            os.utime(path)
            if hold and digest not in self._held and not self._hold(digest, path):
                return None
        except FileNotFoundError:
            return None
        return path

    def trim(self) -> int:
        """Remove copies that were not used for long, and the oldest others beyond the limit; return their number."""
        now, copies, removed = time.time(), self._copies(), 0
        size = sum(status.st_size for status, _ in copies)
        for status, path in copies:
            unused = now - status.st_mtime
            if unused < RECENT_SECONDS or (size <= self._limit_bytes and unused < UNUSED_SECONDS):
                break  # the later ones were used after this one
            if _unlink_unheld(path):
                size -= status.st_size
                removed += 1
        return removed

    def sweep(self) -> int:
        """Remove the unfinished files of processes that have died, and make room; return the number of files."""
        return sweep(self.folder / "incoming") + self.trim()

    def _path(self, digest: str) -> Path:
        return self.folder / "sha256" / digest[:2] / digest

    def _hold(self, digest: str, path: Path) -> bool:
        """Lock the copy against `trim`; return False if it was removed meanwhile."""
        descriptor = os.open(path, os.O_RDONLY)  # open, and so locked, until the process ends
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                self._held.add(digest)
                return True
        os.close(descriptor)
        return False

    def _copies(self) -> list[tuple[os.stat_result, Path]]:
        """Every copy with its status, the one that was not used for the longest time first."""
        found = []
        for path in (self.folder / "sha256").glob("??/*"):
            with suppress(FileNotFoundError):
                found.append((path.stat(), path))
        return sorted(found, key=lambda copy: copy[0].st_mtime)


def _unlink_unheld(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
    except (BlockingIOError, FileNotFoundError):  # held by a job, or removed by another process
        return False
    return True
