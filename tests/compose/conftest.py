"""One deployment for all tests of this folder, which run in their order."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.environment import save
from tests.compose.base_images import provide_base_images
from tests.compose.engine import Project, copy_tree, free_port, reason_to_skip
from tests.deployment.caller import Caller


@pytest.fixture(scope="session")
def port() -> int:
    """A port that was free a moment ago."""
    return free_port()


@pytest.fixture(scope="session")
def figures() -> dict[str, Any]:
    """The measurements of the tests, by name."""
    return {}


@pytest.fixture(scope="session")
def project(port: int, figures: dict[str, Any]) -> Iterator[Project]:
    """The project, not yet started; everything that it made is removed afterwards."""
    if (reason := reason_to_skip()) is not None:
        pytest.skip(reason)
    home = Path(os.environ["LDNAS_TEST_COMPOSE"])
    log = home / "log.txt"
    folder = copy_tree(home)
    log.unlink(missing_ok=True)
    made = Project(folder, log, {"LDNAS_PORT": str(port), "LDNAS_STUDY": "off", "LDNAS_LEASE_SECONDS": "15"})
    figures["stand_ins"] = provide_base_images(home)
    began = time.monotonic()
    yield made
    made.shell("docker compose --profile '*' down --volumes --remove-orphans", fails=True)
    figures["seconds"] = round(time.monotonic() - began)
    if os.environ.get("LDNAS_SAVE"):
        shutil.copy(log, save("compose", figures) / "log.txt")


@pytest.fixture
def caller(project: Project, port: int) -> Iterator[Caller]:
    """A client with the key of the deployment."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
        made = Caller(http)
        made.show((project.folder / "secrets" / "admin_key").read_text())
        yield made
