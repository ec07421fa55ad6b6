"""A real Chromium in front of the real service, which knows two tasks and has answered one recommendation."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="`make e2e` installs what drives the browser")

CHROMIUM = os.environ.get("LDNAS_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
# Its own housekeeping would reach for the network, and a container has neither a sandbox nor much shared memory.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# A connection that ends when a test stops the service; and the styles of Plotly's maps, which no page draws.
HARMLESS = ("Failed to load resource: net::ERR", "Applying inline style violates")
# Refusals of a person's requests; a page that itself asks for a missing address (404) is at fault.
REFUSED = re.compile(r"Failed to load resource: the server responded with a status of (401|403|409|413|422|429)")
STARTS_WITHIN_SECONDS = 90
ANSWERS_WITHIN_SECONDS = 600


@dataclass(frozen=True)
class Service:
    """A running `ldnas up` and what it has found.

    Attributes:
        url: of its root.
        home: its LDNAS_HOME.
        tasks: the ids of its baselines, by name.
        recommendation: the id of one that has succeeded.
    """

    url: str
    home: Path
    tasks: dict[str, str]
    recommendation: str


@dataclass
class Running:
    """`ldnas up` as a process of its own; `stop` and `start` keep the home and the port."""

    home: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        environment = os.environ | {
            "LDNAS_HOME": str(self.home),
            "LDNAS_PORT": str(self.port),
            "LDNAS_NETWORK": "small_cnn",
            "LDNAS_STUDY": "off",
            "LDNAS_LEASE_SECONDS": "20",  # what a killed worker had is soon another one's
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, "-m", "service.cli", "up"]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + STARTS_WITHIN_SECONDS
        while not _is_ready(self.url):
            assert self.process.poll() is None, "`ldnas up` ended"
            assert time.monotonic() < deadline, "`ldnas up` does not get ready"
            time.sleep(0.2)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(60)


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    service = Running(tmp_path_factory.mktemp("home"), free_port())
    service.start()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def service(running: Running) -> Service:
    """Two baselines on the digits and a recommendation between them, small enough for seconds of training."""
    with httpx.Client(base_url=running.url, timeout=60) as http:
        digits = {"uri": "builtin://digits"}
        tasks = {
            "ten digits": {"dataset": digits, "repetitions": 2, "genotypes": [GENOTYPE]},
            "odd or even": {
                "dataset": digits,
                "labels": {"groups": [[1, 3, 5, 7, 9]], "rest": True},
                "repetitions": 2,
                "genotypes": [GENOTYPE],
            },
        }
        known = {name: http.post("/v1/tasks", json={"name": name, **task}).json()["id"] for name, task in tasks.items()}
        asked = {
            "name": "primes",
            "dataset": digits,
            "labels": {"groups": [[2, 3, 5, 7]], "rest": True},
            "baselines": list(tasks),
            "repetitions": 2,
            "budget": {"iterations": 1},
        }
        recommendation = http.post("/v1/recommendations", json=asked).json()["id"]
        wait_for(http, recommendation)
    return Service(running.url, running.home, known, recommendation)


GENOTYPE = {
    "edges": [
        [0, 1, "sep_conv_3x3"],
        [0, 2, "identity"],
        [1, 2, "sep_conv_3x3"],
        [0, 3, "identity"],
        [1, 3, "max_pool_3x3"],
        [2, 3, "identity"],
    ]
}


def wait_for(http: httpx.Client, recommendation: str) -> dict[str, Any]:
    deadline = time.monotonic() + ANSWERS_WITHIN_SECONDS
    while True:
        document: dict[str, Any] = http.get(f"/v1/recommendations/{recommendation}").json()
        if document["state"] not in ("queued", "running"):
            assert document["state"] == "succeeded", document["error"]
            return document
        assert time.monotonic() < deadline, document["progress"]
        time.sleep(0.5)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium here: install Debian's `chromium`, or name one in LDNAS_CHROMIUM")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def page(browser: Any, running: Running) -> Iterator[Any]:
    with window(browser, running.url) as page:
        yield page


@contextmanager
def window(browser: Any, url: str) -> Iterator[Any]:
    """A fresh one; whatever its pages ask of another host, refuse by policy or throw, fails the test."""
    context = browser.new_context(base_url=url, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(f"threw: {error}"))
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    page.on("request", lambda request: _note_foreign(request.url, url, complaints))
    yield page
    context.close()
    assert [line for line in complaints if not line.startswith(HARMLESS) and not REFUSED.match(line)] == []


def _note_foreign(url: str, own: str, complaints: list[str]) -> None:
    if not url.startswith((own, "data:", "blob:")):
        complaints.append(f"asked for {url}")
