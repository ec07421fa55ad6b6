"""Locks that a transaction holds are seen from outside, on both databases; those of a short one are not."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine, make_url, text

from tests.chaos.locks import any_backend, backend_with_locks, lock_held, with_own_name
from worker.registry import open_engine


@pytest.fixture
def url(postgresql_url: str) -> Iterator[str]:
    """A database with one row."""
    url = make_url(postgresql_url).set(drivername="postgresql+psycopg")
    server = create_engine(url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text("CREATE DATABASE locks"))
    own = url.set(database="locks").render_as_string(hide_password=False)
    filled = create_engine(own)
    with filled.begin() as connection:
        connection.execute(text("CREATE TABLE numbers (number integer)"))
        connection.execute(text("INSERT INTO numbers VALUES (1)"))
    filled.dispose()
    yield own
    with server.connect() as connection:
        connection.execute(text("DROP DATABASE locks WITH (FORCE)"))
    server.dispose()


@pytest.fixture
def looking(url: str) -> Iterator[Engine]:
    """The engine of chaos itself."""
    engine = open_engine(with_own_name(url))
    yield engine
    engine.dispose()


@pytest.fixture
def fleets(url: str) -> Iterator[Connection]:
    """A connection of the fleet, in no transaction."""
    engine = create_engine(url)
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        connection.rollback()
        yield connection
        connection.rollback()
    engine.dispose()


@pytest.mark.parametrize("statement", ["UPDATE numbers SET number = 2", "SELECT * FROM numbers FOR UPDATE"])
def test_an_open_transaction_of_the_fleet_holds_locks(looking: Engine, fleets: Connection, statement: str) -> None:
    assert not lock_held(looking)
    fleets.execute(text(statement))
    assert lock_held(looking)
    backend = backend_with_locks(looking)
    assert backend is not None
    assert backend == any_backend(looking)
    assert backend.statement == statement
    assert backend.pid == fleets.execute(text("SELECT pg_backend_pid()")).scalar_one()
    fleets.rollback()
    assert not lock_held(looking)
    assert backend_with_locks(looking) is None
    assert any_backend(looking).statement is None, "it is in no transaction"


def test_who_only_reads_holds_none(looking: Engine, fleets: Connection) -> None:
    fleets.execute(text("SELECT * FROM numbers"))
    assert not lock_held(looking)


def test_the_locks_of_chaos_itself_do_not_count(looking: Engine, fleets: Connection) -> None:
    with looking.connect() as own:
        own.execute(text("UPDATE numbers SET number = 2"))
        assert not lock_held(looking)


def test_the_write_lock_of_sqlite_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "numbers.sqlite3"
    engine = open_engine(with_own_name(f"sqlite:///{path}"))
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("CREATE TABLE numbers (number INTEGER)")
    writer.execute("BEGIN")
    writer.execute("SELECT * FROM numbers").fetchall()
    assert not lock_held(engine)
    writer.execute("INSERT INTO numbers VALUES (1)")
    assert lock_held(engine)
    writer.execute("ROLLBACK")
    assert not lock_held(engine)
    writer.close()
    engine.dispose()
