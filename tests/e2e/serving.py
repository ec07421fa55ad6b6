"""The web process alone, over a store that stays as it is."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.e2e.conftest import STARTS_WITHIN_SECONDS, free_port


@contextmanager
def served(home: Path, **settings: str) -> Iterator[str]:
    """The address of a web process on the migrated database of this LDNAS_HOME, with more settings; no worker runs."""
    port = free_port()
    environment = os.environ | {"LDNAS_HOME": str(home), "LDNAS_PORT": str(port), "OMP_NUM_THREADS": "1"} | settings
    command = [sys.executable, "-m", "service.api_main"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + STARTS_WITHIN_SECONDS
    try:
        while not _answers(url):
            assert process.poll() is None, "the web process ended"
            assert time.monotonic() < deadline, "the web process does not get ready"
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(60)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False
