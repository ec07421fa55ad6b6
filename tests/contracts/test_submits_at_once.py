"""Many submits at the same moment, to a real API process: each is accepted and stored, or refused and not."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from benchmarks import service_submits as submits
from benchmarks.service_processes import free_port
from service.api.security.tokens import draw_key, hash_of, prefix_of
from worker.registry import Engine, Scope, unit_of_work

pytestmark = pytest.mark.system

AT_ONCE = 100
QUOTA = 30


@pytest.fixture
def port(database_url: str, tmp_path: Path) -> Iterator[int]:
    free = free_port()
    environment = {
        **os.environ,
        "LDNAS_HOME": str(tmp_path / "home"),
        "LDNAS_DATABASE_URL": database_url,
        "LDNAS_PORT": str(free),
        "LDNAS_EXIT_WITH_PARENT": "1",
    }
    api = subprocess.Popen(
        [sys.executable, "-m", "service.api_main"],
        env=environment,
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(api, free)
        yield free
    finally:
        api.kill()
        api.communicate()


def _wait(api: subprocess.Popen[bytes], port: int) -> None:
    give_up = time.monotonic() + 60
    while True:
        try:
            httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=20)
        except httpx.ConnectError:
            assert api.poll() is None
            assert time.monotonic() < give_up
            time.sleep(0.05)
        else:
            return


def test_each_of_many_submits_at_once_is_stored_or_refused(port: int, engine: Engine) -> None:
    found = submits.submit_at_once(port, engine, AT_ONCE)
    assert (found["accepted"], found["refused_429"], found["others"]) == (AT_ONCE, 0, {})
    assert found["stored"] == dict.fromkeys(("recommendations", "jobs", "tasks"), AT_ONCE)

    key = draw_key()
    with unit_of_work(engine) as registry:
        registry.keys.insert(name="load", prefix=prefix_of(key), hash=hash_of(key), scope=Scope.WRITE, quota=QUOTA)
    found = submits.submit_at_once(port, engine, AT_ONCE, key)
    assert (found["accepted"], found["refused_429"], found["others"]) == (QUOTA, AT_ONCE - QUOTA, {})
    assert found["stored"] == dict.fromkeys(("recommendations", "jobs", "tasks"), QUOTA)
