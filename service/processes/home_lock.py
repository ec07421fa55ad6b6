"""One supervisor per home: an exclusive lock on a file that says who holds it and where it answers.

The lock is the kernel's (flock), so it is gone the moment its holder is, however it ended; what the file says counts
only while somebody holds it.
"""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from service.processes.errors import HomeInUseError

LOCK_NAME = "supervisor.lock"

ATTEMPTS = 10
PAUSE_SECONDS = 0.05


@dataclass(frozen=True)
class RunningService:
    """A supervisor that is at work.

    Attributes:
        pid: its process.
        url: where its API answers, as `http://127.0.0.1:8000`.
    """

    pid: int
    url: str


@contextmanager
def home_locked(home: Path) -> Iterator[Callable[[str], None]]:
    """Hold the home while open; yields a function that announces the URL where the holder's API answers.

    Raises:
        HomeInUseError: another supervisor holds it.
    """
    home.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(home / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _lock(descriptor):
            holder = _read(descriptor)
            raise HomeInUseError(home, f"process {holder.pid} at {holder.url}" if holder else "another process")
        os.ftruncate(descriptor, 0)
        yield lambda url: _write(descriptor, RunningService(os.getpid(), url))
    finally:
        # The file stays: removing it would let two supervisors lock two files of one name.
        os.close(descriptor)


def running_service(home: Path) -> RunningService | None:
    """The supervisor that holds this home, or None where nobody does."""
    try:
        descriptor = os.open(home / LOCK_NAME, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        return None if _try_lock(descriptor) else _read(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """The lock, asked for a few times: whoever only looks at the home holds it for a moment."""
    for _ in range(ATTEMPTS):
        if _try_lock(descriptor):
            return True
        time.sleep(PAUSE_SECONDS)
    return False


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(descriptor: int, holder: RunningService) -> None:
    os.pwrite(descriptor, json.dumps(asdict(holder)).encode(), 0)


def _read(descriptor: int) -> RunningService | None:
    """What the holder wrote; None in the moment before it has written."""
    try:
        return RunningService(**json.loads(os.pread(descriptor, 4096, 0)))
    except (ValueError, TypeError):
        return None
