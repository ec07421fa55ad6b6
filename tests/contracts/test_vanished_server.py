"""A PostgreSQL server that vanishes without a word is noticed: the kernel asks whether it is still there."""

import os
import select
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from worker.registry import open_engine

OPTIONS = {
    "SO_KEEPALIVE": (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    "TCP_KEEPIDLE": (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
    "TCP_KEEPINTVL": (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
    "TCP_KEEPCNT": (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
    "TCP_USER_TIMEOUT": (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
}


@pytest.fixture
def tcp_url(postgresql_url: str) -> Iterator[str]:
    """The server over TCP: the tests' own listens on a socket of the file system, to which this passes bytes on."""
    url = make_url(postgresql_url)
    path = Path(str(url.query["host"])) / ".s.PGSQL.5432"
    with socket.create_server(("127.0.0.1", 0)) as listening:
        relay = threading.Thread(target=_pass_on, args=(listening, path))
        relay.start()
        port = listening.getsockname()[1]
        yield url.set(host="127.0.0.1", port=port, query={}).render_as_string(hide_password=False)
        listening.shutdown(socket.SHUT_RDWR)
        relay.join()


def _pass_on(listening: socket.socket, path: Path) -> None:
    """One connection after the other, as this test makes them."""
    while True:
        try:
            near, _ = listening.accept()
        except OSError:
            return
        with near, socket.socket(socket.AF_UNIX) as far:
            far.connect(str(path))
            other = {near: far, far: near}
            while content := (one := select.select([near, far], [], [])[0][0]).recv(2**16):
                other[one].sendall(content)


def options_of(url: str) -> dict[str, int]:
    """The kernel's options of a connection to this URL."""
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            descriptor = connection.connection.driver_connection.fileno()
            with socket.socket(fileno=os.dup(descriptor)) as same:
                return {name: same.getsockopt(*option) for name, option in OPTIONS.items()}
    finally:
        engine.dispose()


def test_a_vanished_server_is_noticed_within_25_seconds(tcp_url: str) -> None:
    options = options_of(tcp_url)
    assert options["SO_KEEPALIVE"] == 1
    assert options["TCP_KEEPIDLE"] + options["TCP_KEEPCNT"] * options["TCP_KEEPINTVL"] == 25
    assert options["TCP_USER_TIMEOUT"] == 25_000


def test_the_url_says_otherwise(tcp_url: str) -> None:
    options = options_of(f"{tcp_url}?keepalives_idle=90&tcp_user_timeout=120000")
    assert (options["TCP_KEEPIDLE"], options["TCP_USER_TIMEOUT"]) == (90, 120_000)
    assert options["TCP_KEEPINTVL"] == 5, "what the URL leaves out stays"
    assert options_of(f"{tcp_url}?keepalives=0")["SO_KEEPALIVE"] == 0
