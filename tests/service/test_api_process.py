"""The API as a process of its own: it serves, and it ends in order."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest

from worker.settings import Settings

pytestmark = pytest.mark.system


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def process(settings: Settings, port: int) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | replace(settings, port=port).as_environment() | {"LDNAS_EXIT_WITH_PARENT": "1"}
    api = subprocess.Popen(
        [sys.executable, "-m", "service.api_main"], env=environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    yield api
    api.kill()
    api.communicate()


@pytest.fixture
def served(process: subprocess.Popen[bytes], port: int) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
        give_up = time.monotonic() + 60
        while True:
            try:
                client.get("/healthz")
            except httpx.ConnectError:
                assert process.poll() is None
                assert time.monotonic() < give_up
                time.sleep(0.05)
                continue
            yield client
            return


def end_of(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    _, log = process.communicate(timeout=30)
    return process.returncode, log.decode()


def test_sigterm_ends_open_streams_in_order_and_the_process_with_them(
    process: subprocess.Popen[bytes], served: httpx.Client, task_body: dict
) -> None:
    task = served.post("/v1/tasks", json=task_body).json()
    with served.stream("GET", f"/v1/jobs/{task['job_id']}/events") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "event: state"
        process.send_signal(signal.SIGTERM)
        # A stream that is cut off would raise here.
        assert [line for line in lines if line.startswith("event")] == []
    served.close()
    code, log = end_of(process)
    assert code == 0
    assert "Traceback" not in log
    assert "timeout graceful shutdown exceeded" not in log


def test_the_process_ends_when_the_pipe_of_its_parent_closes(
    process: subprocess.Popen[bytes], served: httpx.Client
) -> None:
    assert served.get("/healthz").status_code == 200
    served.close()
    assert process.stdin is not None
    process.stdin.close()
    process.stdin = None
    code, log = end_of(process)
    assert code == 0
    assert "Traceback" not in log
