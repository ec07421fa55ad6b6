"""The client while the real API process is killed and started again."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from service.client import Client
from service.client.errors import ClientError, UnreachableError
from worker.settings import Settings

pytestmark = pytest.mark.system

T = TypeVar("T")
Finish = Callable[..., None]
SECONDS = 60.0


class Api:
    """The API on one port and one database, which can be killed and started again."""

    def __init__(self, settings: Settings) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = os.environ | replace(settings, port=self.port).as_environment()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "service.api_main"], env=self.environment, stderr=subprocess.DEVNULL
        )
        give_up = time.monotonic() + SECONDS
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1):
                    return
            except OSError:
                assert self.process.poll() is None
                assert time.monotonic() < give_up
                time.sleep(0.05)

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None


@pytest.fixture
def api(settings: Settings) -> Iterator[Api]:
    api = Api(settings)
    api.start()
    yield api
    api.kill()


@pytest.fixture
def client(api: Api) -> Iterator[Client]:
    with Client(api.url) as client:
        yield client


@pytest.fixture
def background() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def result_of(future: "Future[T]") -> T:
    return future.result(SECONDS)


def still_waits(future: "Future[Any]") -> bool:
    """Whether it neither ends nor fails for a moment in which a client that gives up would have."""
    time.sleep(1.0)
    return not future.done()


def test_waiting_continues_though_the_service_is_killed_and_comes_back(
    api: Api, client: Client, finish: Finish, background: ThreadPoolExecutor, capsys: pytest.CaptureFixture[str]
) -> None:
    submission = client.register_task("odd_or_even", "builtin://digits")
    waiting = background.submit(submission.wait, progress=True, timeout_seconds=SECONDS)
    assert still_waits(waiting)
    api.kill()
    finish(submission.document["job_id"])  # while no process answers
    assert still_waits(waiting)
    api.start()
    assert result_of(waiting).state == "succeeded"
    assert capsys.readouterr().err.splitlines() == [
        "odd_or_even: queued",
        "odd_or_even: queued, the service does not answer; waiting for it",
        "odd_or_even: succeeded, done",
    ]


def test_a_stream_of_events_is_taken_up_where_the_service_was_killed(
    api: Api, client: Client, finish: Finish, background: ThreadPoolExecutor
) -> None:
    submission = client.recommend("builtin://digits")
    begun = threading.Event()

    def follow() -> list[tuple[int, Any]]:
        received = []
        for event in submission.events():
            received.append((event.id, event.data.get("state")))
            begun.set()
        return received

    following = background.submit(follow)
    assert begun.wait(SECONDS)
    api.kill()
    finish(submission.document["job_id"])
    assert still_waits(following)
    api.start()
    received = result_of(following)
    assert [state for _, state in received] == ["queued", "running", "succeeded"]
    assert sorted({number for number, _ in received}) == [number for number, _ in received]


def test_a_request_that_meets_a_restart_makes_one_thing(
    api: Api, client: Client, background: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.client.connection.REPEAT_SECONDS", SECONDS)
    assert list(client.tasks()) == []
    api.kill()
    asking = background.submit(client.register_task, "odd_or_even", "builtin://digits", idempotency_key="once")
    assert still_waits(asking)
    api.start()
    task = result_of(asking)
    assert [found.id for found in client.tasks()] == [task.id]
    assert client.register_task("odd_or_even", "builtin://digits", idempotency_key="once").id == task.id


def test_a_service_that_does_not_come_back_is_reported(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.client.connection.REPEAT_SECONDS", 0.2)
    with Client(api.url, absence_seconds=0.5) as client:
        submission = client.register_task("odd_or_even", "builtin://digits")
        api.kill()
        with pytest.raises(UnreachableError, match=api.url):
            submission.wait()
        with pytest.raises(ClientError):
            list(submission.events())
