"""The processes under load: the API as it is served, the bare application next to it, a dispatcher and workers."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

START_SECONDS = 120.0
SAMPLE_SECONDS = 0.25
ROOT = Path(__file__).parents[1]
MB = 2**20


def cpu_seconds(pid: int) -> float:
    """The processor seconds that a process has used, in user and in system mode."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


class Memory:
    """The memory of a process, sampled for as long as it is watched."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._over = threading.Event()
        self._largest = 0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def now_mb(self) -> float:
        """Resident memory."""
        return round(self._process.memory_info().rss / MB, 1)

    def largest_mb(self) -> float:
        """The largest since this was asked last."""
        largest, self._largest = max(self._largest, self._process.memory_info().rss), 0
        return round(largest / MB, 1)

    def stop(self) -> None:
        """Watch no longer."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            self._largest = max(self._largest, self._process.memory_info().rss)


@contextmanager
def running(command: Sequence[str], environment: dict[str, str], log: Path, root: Path = ROOT) -> Iterator[int]:
    """A process of the project's root, or of another checkout, for the time being; its id."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, env=environment, cwd=root, stdout=output, stderr=output)
    try:
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def api(environment: dict[str, str], log: Path, root: Path = ROOT) -> Iterator[tuple[int, int]]:
    """The API of a checkout with these settings; its port and its process."""
    port = free_port()
    command = [sys.executable, "-m", "service.api_main"]
    settings = {"LDNAS_PORT": str(port), "PYTHONPATH": str(root)}
    with running(command, environment | settings, log, root) as pid:
        wait_for(port)
        yield port, pid


@contextmanager
def bare(folder: Path, log: Path) -> Iterator[tuple[int, int]]:
    """The bare application with the bodies of a folder; its port and its process."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.service_bare", str(port), str(folder)]
    with running(command, {**os.environ}, log) as pid:
        wait_for(port)
        yield port, pid


def free_port() -> int:
    """A port that no process uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_for(port: int) -> None:
    """Until a server listens there."""
    give_up = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
        except OSError:
            if time.monotonic() > give_up:
                raise SystemExit("a server did not start; --keep leaves its log") from None
            time.sleep(0.05)
        else:
            return
