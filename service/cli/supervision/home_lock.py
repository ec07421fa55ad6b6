"""One supervisor per home: an exclusive lock on a file that contains the holder's process id and URL.

The kernel (flock) releases the lock as soon as its holder ends, for whatever reason; the file's content is valid only
while a process holds the lock.
"""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from service.cli.supervision.errors import HomeInUseError

LOCK_NAME = "supervisor.lock"

ATTEMPTS = 10
PAUSE_SECONDS = 0.05


@dataclass(frozen=True)
class RunningService:
    """A running supervisor.

    Attributes:
        pid: its process id.
        url: address of its API, as `http://127.0.0.1:8000`.
    """

    pid: int
    url: str


@contextmanager
def home_locked(home: Path) -> Iterator[Callable[[str], None]]:
    """Locks the home while open; yields a function that announces the URL of the holder's API.

    Raises:
        HomeInUseError: another supervisor holds the lock.
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
        # The file is not removed: otherwise two supervisors could lock two files of the same name.
        os.close(descriptor)


def running_service(home: Path) -> RunningService | None:
    """The supervisor that holds this home, or None."""
    try:
        descriptor = os.open(home / LOCK_NAME, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        return None if _try_lock(descriptor) else _read(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Tries to lock a few times: `running_service` of another process holds the lock for a moment."""
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
    """The holder's entry; None before it has been written."""
    try:
        return RunningService(**json.loads(os.pread(descriptor, 4096, 0)))
    except (ValueError, TypeError):
        return None
