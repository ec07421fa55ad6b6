"""The fleet's network can swallow packets; they arrive when it forwards again."""

import gc
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from sqlalchemy import create_engine, make_url, text

from tests.chaos.network import Network


@pytest.fixture
def network(postgresql_url: str, valkey_url: str) -> Iterator[Network]:
    opened = Network({"LDNAS_DATABASE_URL": postgresql_url, "LDNAS_BROKER_URL": valkey_url})
    yield opened
    opened.close()


def test_files_are_not_behind_a_network() -> None:
    files = {"LDNAS_DATABASE_URL": "sqlite:////tmp/x", "LDNAS_BROKER_URL": "filesystem://"}
    network = Network(files)
    assert network.settings == files
    network.close()


def test_both_servers_are_reached_through_it(network: Network, postgresql_url: str, valkey_url: str) -> None:
    database, broker = network.settings["LDNAS_DATABASE_URL"], network.settings["LDNAS_BROKER_URL"]
    assert {database, broker}.isdisjoint({postgresql_url, valkey_url})
    engine = create_engine(make_url(database).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
    engine.dispose()
    with redis.Redis.from_url(broker) as client:
        assert client.ping()


def test_nothing_arrives_while_it_is_paused_and_all_of_it_later(network: Network) -> None:
    url = make_url(network.settings["LDNAS_BROKER_URL"])
    assert url.port is not None
    with socket.create_connection(("127.0.0.1", url.port), timeout=0.3) as client:
        client.sendall(b"PING\r\n")
        assert client.recv(100) == b"+PONG\r\n"
        network.pause()
        client.sendall(b"PING\r\n")
        with pytest.raises(TimeoutError):
            client.recv(100)
        network.resume()
        client.settimeout(5.0)
        assert client.recv(100) == b"+PONG\r\n"


def test_it_survives_that_both_ends_close_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        network = Network({"URL": f"redis://127.0.0.1:{server.getsockname()[1]}/0"})
        port = make_url(network.settings["URL"]).port
        for _ in range(5):
            near = socket.create_connection(("127.0.0.1", port), timeout=5.0)
            far, _ = server.accept()
            near.sendall(b"here")
            assert far.recv(100) == b"here"
            network.pause()
            near.close()
            far.close()
            network.resume()
        network.close()


def test_it_refuses_while_the_server_is_away_and_leaves_no_socket_open(tmp_path: Path) -> None:
    """An open one would be a warning, which is an error here."""
    network = Network({"URL": f"postgresql:///nothing?host={tmp_path}"})
    with socket.create_connection(("127.0.0.1", make_url(network.settings["URL"]).port), timeout=5.0) as client:
        assert client.recv(100) == b""
    network.close()
    gc.collect()
