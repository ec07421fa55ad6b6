"""Clients that stop in the middle: those that read no further, and those that send no further."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Route

from service.api.http.stalled_reader import limiting_stalls_to
from service.api_main import api_server
from worker.settings import Settings

PATIENCE_SECONDS = 20.0
# More than the kernel takes for a client that reads nothing: 4 MB by its usual settings.
LARGE_BYTES = 12_000_000
CHUNK_BYTES = 500_000


def until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < give_up, "it did not happen in time"
        time.sleep(0.02)


@contextmanager
def running(server: uvicorn.Server) -> Iterator[int]:
    """The server in a thread; yields its port."""
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        until(lambda: server.started)
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(PATIENCE_SECONDS)
        listening.close()
        assert not thread.is_alive()


class Answers:
    """An application with each kind of large answer; counts those that it works on."""

    def __init__(self, folder: Path) -> None:
        self.at_work = 0
        self.file = folder / "large"
        self.file.write_bytes(bytes(LARGE_BYTES))
        paths = (("/stream", self.stream), ("/file", self.whole_file), ("/bytes", self.whole), ("/events", self.events))
        self._routes = Starlette(routes=[Route(path, endpoint) for path, endpoint in paths])

    async def __call__(self, scope, receive, send) -> None:
        counts = scope["type"] == "http"
        self.at_work += counts
        try:
            await self._routes(scope, receive, send)
        finally:
            self.at_work -= counts

    def stream(self, request: Request) -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(LARGE_BYTES // CHUNK_BYTES):
                yield bytes(CHUNK_BYTES)

        return StreamingResponse(chunks())

    def whole_file(self, request: Request) -> Response:
        return FileResponse(self.file)

    def whole(self, request: Request) -> Response:
        return Response(bytes(LARGE_BYTES))

    def events(self, request: Request) -> Response:
        async def rare() -> AsyncIterator[bytes]:
            yield b"first"
            await asyncio.sleep(2.0)
            yield b"second"

        return StreamingResponse(rare())


@contextmanager
def asked(port: int, path: str, *, times: int = 1) -> Iterator[socket.socket]:
    """A client that has asked, and whose own buffer is small."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(PATIENCE_SECONDS)
        client.connect(("127.0.0.1", port))
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode() * times)
        yield client


def read(client: socket.socket, *, at_once: int, pause: float, most: int) -> int:
    """How many bytes came until `most` were there or the connection ended."""
    taken = 0
    while taken < most:
        content = client.recv(at_once)
        if not content:
            break
        taken += len(content)
        time.sleep(pause)
    return taken


def served(application: Answers, stall_seconds: float) -> uvicorn.Server:
    config = uvicorn.Config(application, http=limiting_stalls_to(stall_seconds), log_config=None, lifespan="off")
    return uvicorn.Server(config)


@pytest.mark.parametrize("path", ["/stream", "/file", "/bytes"])
def test_a_client_that_reads_nothing_is_cut_off_and_holds_nothing(tmp_path: Path, path: str) -> None:
    application = Answers(tmp_path)
    server = served(application, 0.5)
    with running(server) as port, asked(port, path) as client:
        until(lambda: len(server.server_state.connections) == 1)
        until(lambda: not server.server_state.connections and not application.at_work)
        with pytest.raises(ConnectionResetError):
            read(client, at_once=65536, pause=0.0, most=LARGE_BYTES)


def test_a_client_that_stops_reading_in_the_middle_is_cut_off(tmp_path: Path) -> None:
    application = Answers(tmp_path)
    server = served(application, 0.5)
    with running(server) as port, asked(port, "/stream") as client:
        assert read(client, at_once=65536, pause=0.0, most=LARGE_BYTES // 2) >= LARGE_BYTES // 2
        until(lambda: not server.server_state.connections and not application.at_work)


def test_a_client_that_reads_slowly_gets_everything(tmp_path: Path) -> None:
    """For seconds it takes less than the kernel has to be rid of before that takes anything from the server."""
    application = Answers(tmp_path)
    with running(served(application, 0.5)) as port, asked(port, "/stream") as client:
        slowly = read(client, at_once=65536, pause=0.04, most=200_000)
        rest = LARGE_BYTES - slowly
        assert read(client, at_once=65536, pause=0.0, most=rest) >= rest


def test_a_stream_that_has_nothing_to_send_is_left_alone(tmp_path: Path) -> None:
    with running(served(Answers(tmp_path), 0.3)) as port, asked(port, "/events") as client:
        content = b""
        while b"second" not in content:
            more = client.recv(4096)
            assert more, "the stream was cut off"
            content += more
        assert b"first" in content


def test_the_service_cuts_off_a_client_that_reads_nothing(settings: Settings) -> None:
    server = api_server(replace(settings, port=0), stall_seconds=0.5)
    with running(server) as port, asked(port, "/openapi.json", times=100) as client:
        until(lambda: len(server.server_state.connections) == 1)
        until(lambda: not server.server_state.connections)
        with pytest.raises(ConnectionResetError):
            read(client, at_once=65536, pause=0.0, most=10**9)


def test_clients_that_stop_sending_a_body_hold_neither_threads_nor_connections_of_the_database(
    settings: Settings,
) -> None:
    server = api_server(replace(settings, port=0))
    stalled = []
    with running(server) as port:
        for index in range(60):  # more than there are threads, or connections of the database
            upload = index % 2 == 0
            client = socket.create_connection(("127.0.0.1", port))
            request, media_type = (
                (f"PUT /v1/datasets/d{index}", "application/zip") if upload else ("POST /v1/tasks", "application/json")
            )
            head = f"{request} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {media_type}\r\nContent-Length: 999\r\n\r\n"
            client.sendall(head.encode() + b"{")
            stalled.append(client)
        until(lambda: len(server.server_state.tasks) == 60)
        answer = httpx.get(f"http://127.0.0.1:{port}/v1/tasks", timeout=5.0)
        assert answer.status_code == 200
        assert len(server.server_state.tasks) >= 60
        assert server.config.app.state.resources.engine.pool.checkedout() == 0
        for client in stalled:
            client.close()
