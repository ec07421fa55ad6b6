"""Every command and every snippet in the documents does what it is there for, against a service that really runs."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.cli.supervision.home_lock import running_service
from service.client.events import ENDED
from tests.documentation.pages import blocks, name_of, pages
from tests.documentation.shell import missing_programs, run_page
from tests.packaging.installation import ROOT

START_SECONDS = 90.0
# Makes the first key, and without one nothing can be asked from then on.
LAST = "docs/how-to/keys.md"


@pytest.fixture
def images(stripes_folder: Path, stripes_zip: bytes) -> Path:
    """The folder that pages call `/data/images`: `screws`, of three classes, and the same as a ZIP file."""
    (stripes_folder.parent / "screws").symlink_to(stripes_folder)
    (stripes_folder.parent / "screws.zip").write_bytes(stripes_zip)
    return stripes_folder.parent


@pytest.fixture
def service(tmp_path: Path, images: Path) -> Iterator[tuple[str, Path]]:
    """The address and the home of a running `ldnas up`."""
    home = tmp_path / "home"
    home.mkdir()
    quiet = {"OMP_NUM_THREADS": "1", "LDNAS_DEVICE": "cpu", "LDNAS_NETWORK": "small_cnn", "LDNAS_PORT": "0"}
    quiet["LDNAS_STUDY"] = "off"
    quiet["LDNAS_DEFAULT_SECONDS"] = "10"  # the pages wait for their answers
    quiet["LDNAS_REMOTE_HOSTS"] = "hooks.example.org"  # may be named; nothing is sent there
    environment = {**os.environ, **quiet, "LDNAS_HOME": str(home), "LDNAS_DATASET_ROOTS": str(images)}
    with (tmp_path / "up.log").open("wb") as log:
        up = subprocess.Popen(
            [sys.executable, "-m", "service.cli", "up"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    try:
        yield _address(home), home
    finally:
        up.send_signal(signal.SIGTERM)
        up.wait(30)


def _address(home: Path) -> str:
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up:
        running = running_service(home)
        try:
            if running and httpx.get(f"{running.url}/readyz", timeout=5).is_success:
                return running.url
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail("the service was not ready")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def forget(url: str) -> None:
    """Remove what a page asked for, so that the next may use its names; networks that were trained are found again."""
    with httpx.Client(base_url=url, timeout=30) as http:
        for job in http.get("/v1/jobs", params={"limit": 200}).json()["items"]:
            path = f"/v1/jobs/{job['id']}"
            http.post(f"{path}/cancel")
            while http.get(path).json()["state"] not in ENDED:
                time.sleep(0.2)
        for kind in ("recommendations", "tasks"):
            for found in http.get(f"/v1/{kind}", params={"limit": 200}).json()["items"]:
                http.delete(f"/v1/{kind}/{found['id']}").raise_for_status()


@pytest.mark.long
@pytest.mark.system
@pytest.mark.timeout(3600)
def test_every_command_and_snippet_of_the_documents_runs(
    service: tuple[str, Path], images: Path, tmp_path: Path
) -> None:
    """One test, so that all pages share one service however tests are spread over processes."""
    url, home = service
    failures = []
    for page in pages():
        name = name_of(page)
        if name not in os.environ.get("PAGES", name).split():
            continue
        to_run = tuple(block for block in blocks(page) if block.is_run and not missing_programs(block))
        if not to_run:
            continue
        folder = tmp_path / re.sub(r"\W", "_", name)
        folder.mkdir()
        shutil.copy(next(images.rglob("*.png")), folder / "photograph.png")
        began = time.monotonic()
        port = free_port()
        known = {
            "/data/images": str(images),
            "http://127.0.0.1:9000": f"http://127.0.0.1:{port}",
            '("127.0.0.1", 9000)': f'("127.0.0.1", {port})',
        }
        outcome = run_page(to_run, folder, url, home, known)
        ending = f"failed at {outcome.place}" if outcome.status else f"{len(to_run)} blocks"
        print(f"{time.monotonic() - began:6.1f} s  {name}: {ending}")
        if outcome.status:
            failures.append(f"{outcome.place} ended with {outcome.status}\n{outcome.output[-3000:]}")
        if name != LAST:
            forget(url)
    assert not failures, "\n\n".join(failures)
