"""Migrates a database to the schema of this program, and checks whether it has that schema."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url

import migrations
from worker.registry.postgresql import LONG_LIMITS
from worker.registry.session import Engine, open_engine, read_only, translated

_ADVISORY_LOCK = 0x1D9A5  # any number, the same in every process


def migrate(database_url: str) -> None:
    """Bring the database to this program's schema; any number of processes may call it at once.

    On PostgreSQL under `LONG_LIMITS`: rewriting a table may take long, but waiting for its lock may not.

    Raises:
        DatabaseUnavailableError: the database refused, timed out or broke off.
    """
    engine = open_engine(database_url, LONG_LIMITS)
    try:
        with translated(), _locked_file(database_url), engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                _keep_write_ahead_log(connection)
            with connection.begin():
                if engine.dialect.name == "postgresql":
                    _wait_for_other_migrations(connection)
                command.upgrade(alembic_config(connection), "head")
    finally:
        engine.dispose()


def _wait_for_other_migrations(connection: Connection) -> None:
    """Take the lock of migrations; wait for another migration as long as a statement may take."""
    lock_timeout = connection.scalar(text("SELECT current_setting('lock_timeout')"))
    set_lock_timeout = text("SELECT set_config('lock_timeout', :value, true)")
    connection.execute(set_lock_timeout, {"value": "0"})
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    connection.execute(set_lock_timeout, {"value": lock_timeout})


def is_current(engine: Engine) -> bool:
    """Whether this program can work on the database: it has its schema, or that of a later version.

    A migration adds only things that the previous version does not need, so that old and new processes can run side by
    side during a rolling upgrade. An unknown schema is taken for a later one.

    Raises:
        DatabaseUnavailableError: the database refused, timed out or broke off.
    """
    scripts = ScriptDirectory.from_config(alembic_config())
    with translated(), read_only(engine).connect() as connection:
        found = set(MigrationContext.configure(connection).get_current_heads())
    known = {script.revision for script in scripts.walk_revisions()}
    return found == set(scripts.get_heads()) or not found <= known


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration for the migrations of this program, over an open connection."""
    config = Config()
    folder = Path(migrations.__file__).parent
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _keep_write_ahead_log(connection: Connection) -> None:
    # The file remembers the mode, and it cannot be changed inside a transaction.
    driver = connection.connection.driver_connection
    assert driver is not None  # a connection that was just opened has its driver's
    driver.execute("PRAGMA journal_mode = WAL")


@contextmanager
def _locked_file(database_url: str) -> Iterator[None]:
    """For SQLite: create the folder and let one process at a time continue; other databases lock by themselves."""
    database = make_url(database_url).database
    if not database_url.startswith("sqlite") or not database:
        yield
        return
    path = Path(database)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(path.name + ".migration-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
