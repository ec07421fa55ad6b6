"""One deployment for all tests of this folder, which run in their order."""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.environment import save
from tests.compose.engine import DOCKER, Project, reason_to_skip
from tests.deployment.caller import Caller
from tests.deployment.compose import ROOT

BUILDER = Path(__file__).parent / "stand_ins" / "build"


@pytest.fixture(scope="session")
def port() -> int:
    """A port that was free a moment ago."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
    shutil.rmtree(home / "project", ignore_errors=True)
    (home / "project").mkdir(parents=True)
    log = home / "log.txt"
    log.unlink(missing_ok=True)
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, files):
        if (ROOT / name).exists():
            (home / "project" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, home / "project" / name)
    made = Project(home / "project", log, {"LDNAS_PORT": str(port), "LDNAS_STUDY": "off", "LDNAS_LEASE_SECONDS": "15"})
    figures["stand_ins"] = _provide_base_images(home)
    began = time.monotonic()
    yield made
    made.shell("docker compose --profile cpu --profile gpu down --volumes --remove-orphans", fails=True)
    figures["seconds"] = round(time.monotonic() - began)
    if os.environ.get("LDNAS_SAVE"):
        shutil.copy(log, save("compose", figures) / "log.txt")


def _provide_base_images(home: Path) -> bool:
    """Pull the base images, or build stand-ins for them; whether it built them."""
    text = "".join((ROOT / name).read_text() for name in ("Dockerfile.api", "docker-compose.yml"))
    wanted = {*re.findall(r"^FROM (\S+:\S+)", text, re.MULTILINE), *re.findall(r"image: ((?!ldnas)\S+)", text)}
    for name in sorted({*wanted, "postgres:17-trixie"}):
        there = subprocess.run([*DOCKER, "image", "inspect", name], cwd=home, capture_output=True)
        if there.returncode and subprocess.run([*DOCKER, "pull", name], cwd=home, capture_output=True).returncode:
            environment = {**os.environ, "LDNAS_DOCKER": " ".join(DOCKER), "STAND_INS": str(home / "stand_ins")}
            subprocess.run([BUILDER], env=environment, check=True, cwd=home)
            return True
    [python] = [name for name in wanted if name.startswith("python:")]
    return subprocess.run([*DOCKER, "run", "--rm", python, "test", "-e", "/machine"], cwd=home).returncode == 0


@pytest.fixture
def caller(project: Project, port: int) -> Iterator[Caller]:
    """A client with the key of the deployment."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
        made = Caller(http)
        made.show((project.folder / "secrets" / "admin_key").read_text())
        yield made
