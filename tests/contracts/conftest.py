"""The databases of the contracts: a migrated, empty database of each kind for every test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import create_engine, make_url, text

from service.app import create_app
from tests.system.s3_server import ALL_OF_THE_STORE, S3Server
from tests.worker.authority import Authority
from worker.registry import Engine, new_id, open_engine
from worker.registry.schema import migrate
from worker.settings import Settings

DATABASES = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.sqlite3"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql_url: str) -> str:
    """The name of a migrated PostgreSQL database to copy."""
    migrate(create_database(postgresql_url, "migrated"))
    return "migrated"


@pytest.fixture(params=DATABASES)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without any table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'folder' / 'registry.sqlite3'}"
    return create_database(request.getfixturevalue("postgresql_url"), f"test_{new_id()}")


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated database without any row."""
    if request.param == "sqlite":
        copy = shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "registry.sqlite3")
        return f"sqlite:///{copy}"
    template = request.getfixturevalue("migrated_postgresql")
    return create_database(request.getfixturevalue("postgresql_url"), f"test_{new_id()}", template)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine over a migrated database without any row."""
    opened = open_engine(database_url)
    yield opened
    opened.dispose()


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server with the API of S3, whose key may do all that an artifact store does in the bucket `scans`."""
    folder = tmp_path_factory.mktemp("s3")
    authority = Authority(folder)
    with pytest.MonkeyPatch.context() as patch, S3Server(folder, authority, {}, ALL_OF_THE_STORE) as server:
        patch.setenv("SSL_CERT_FILE", str(authority.file))
        yield server


def create_database(server_url: str, name: str, template: str = "template0") -> str:
    """A new database on the PostgreSQL server; its URL."""
    url = make_url(server_url).set(drivername="postgresql+psycopg")
    server = create_engine(url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    server.dispose()
    return url.set(database=name).render_as_string(hide_password=False)


@pytest.fixture
def app(database_url: str, tmp_path: Path) -> Iterator[FastAPI]:
    """The API on a database of either kind, with a home of its own."""
    (tmp_path / "home").mkdir()
    created = create_app(
        Settings.from_environment({"LDNAS_HOME": str(tmp_path / "home"), "LDNAS_DATABASE_URL": database_url})
    )
    yield created
    created.state.resources.engine.dispose()
