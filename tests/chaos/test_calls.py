"""A call ends within its limit, and a round counts each call that had no answer and each wrong answer."""

import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tests.chaos.calls import CALL_LIMIT_SECONDS, Calls
from tests.chaos.freezes import FROZEN_SECONDS

LIMIT = 0.5


class Handler(BaseHTTPRequestHandler):
    """Answers as its path says: with a status, and a time to come again where `?later` asks for one."""

    def do_GET(self) -> None:
        self.send_response(int(self.path[1:4]))
        if self.path.endswith("later"):
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET  # noqa: N815

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def calls_of() -> Iterator[Callable[[int], Calls]]:
    """Calls to a port of this machine, with a limit of half a second."""
    clients: list[httpx.Client] = []

    def make(port: int) -> Calls:
        clients.append(httpx.Client(base_url=f"http://127.0.0.1:{port}"))
        return Calls(clients[-1], LIMIT)

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def port() -> Iterator[int]:
    """A server that answers."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_call_without_an_answer_ends_at_the_limit_and_is_a_loss(calls_of: Callable[[int], Calls]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        calls = calls_of(silent.getsockname()[1])
        assert calls.send("POST", "/v1/tasks", json={}) is None
    assert calls.unanswered == ["a call of POST /v1/tasks had no answer within 0.5 s"]
    assert calls.longest_seconds >= LIMIT
    calls.begin_round()
    assert calls.unanswered == []
    assert calls.longest_seconds == 0.0


def test_a_refused_or_broken_connection_is_not_a_loss(calls_of: Callable[[int], Calls]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        breaking = threading.Thread(target=lambda: server.accept()[0].close())
        breaking.start()
        broken = calls_of(port)
        assert broken.send("GET", "/") is None
        breaking.join()
    refused = calls_of(port)
    assert refused.send("GET", "/") is None
    assert [broken.unanswered, refused.unanswered] == [[], []]


def test_an_answer_that_says_later_has_to_say_when(calls_of: Callable[[int], Calls], port: int) -> None:
    calls = calls_of(port)
    assert calls.send("POST", "/503?later") is not None
    calls.look("/503?later")
    calls.look("/200")
    assert calls.wrong_answers == []
    calls.send("POST", "/503")
    calls.look("/500")
    first, second = calls.wrong_answers
    assert "POST /503 was answered with 503 without Retry-After" in first
    assert "GET /500 was answered with 500" in second


def test_a_call_may_wait_for_a_frozen_process() -> None:
    assert CALL_LIMIT_SECONDS > 2 * FROZEN_SECONDS
