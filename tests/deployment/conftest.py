"""A PostgreSQL database that asks for a password, and services on it."""

import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import Connection, create_engine, make_url, text

from tests.deployment.caller import Caller
from tests.deployment.compose import ROOT, load
from tests.deployment.running import Deployment


@dataclass(frozen=True)
class Database:
    """The database `ldnas` of the role `ldnas`, which needs the password, at a socket in `folder`."""

    folder: str
    password: str

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://ldnas:{self.password}@/ldnas?host={self.folder}"


@pytest.fixture
def database(postgresql_url: str) -> Iterator[Database]:
    """As the compose file's `postgres` makes it."""
    url = make_url(postgresql_url)
    folder = Path(str(url.query["host"]))
    folder.chmod(0o711)  # its socket is for everybody; the server checks the folder's mode only when it starts
    password = secrets.token_hex(16)
    server = create_engine(url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE ROLE ldnas LOGIN PASSWORD '{password}'"))
        connection.execute(text("CREATE DATABASE ldnas OWNER ldnas TEMPLATE template0"))
        _ask_for_passwords(connection)
        yield Database(str(folder), password)
        connection.execute(text("DROP DATABASE ldnas WITH (FORCE)"))
        connection.execute(text("DROP ROLE ldnas"))
    server.dispose()


def _ask_for_passwords(connection: Connection) -> None:
    """The test server trusts everybody on its socket; from now on not the role `ldnas`."""
    rules = Path(connection.execute(text("SHOW hba_file")).scalar_one())
    rule = "local all ldnas scram-sha-256\n"
    if not rules.read_text().startswith(rule):
        rules.write_text(rule + rules.read_text())
    connection.execute(text("SELECT pg_reload_conf()"))


@pytest.fixture
def api_port() -> int:
    """A port that was free a moment ago."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def caller(api_port: int) -> Iterator[Caller]:
    """A client of the API that is deployed there."""
    with httpx.Client(base_url=f"http://127.0.0.1:{api_port}", timeout=60) as http:
        yield Caller(http)


@pytest.fixture
def deploy(tmp_path: Path, database: Database, valkey_url: str, api_port: int) -> Iterator[Callable[..., Deployment]]:
    """The services of the compose file, or those of other code under the same names."""
    made: list[Deployment] = []

    def make(code: Path = ROOT) -> Deployment:
        compose = load()
        compose["services"]["api"]["environment"] |= {"LDNAS_PORT": "8000", "LDNAS_STUDY": "off"}
        replaced = {
            "@postgres:5432/ldnas": f"@/ldnas?host={database.folder}",
            "redis:6379": urlsplit(valkey_url).netloc,
            "8000": str(api_port),
        }
        deployment = Deployment(compose, tmp_path, replaced, code=code)
        deployment.secret("database_password", database.password + "\n")
        deployment.secret("admin_key", secrets.token_urlsafe(32) + "\n")
        made.append(deployment)
        return deployment

    yield make
    for deployment in made:
        deployment.kill()
