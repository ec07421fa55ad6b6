"""`ldnas up`: one process that keeps the API, the dispatcher and one worker alive, and takes them with it.

Each child leads a session of its own, so that Ctrl-C on the terminal reaches the supervisor alone and the end is
orderly; and each reads a pipe on its standard input that closes when the supervisor is gone, however it went. Each
gives signs of life, and one that is frozen is killed and started again: it may hold the one write lock of SQLite.
"""

import errno
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import httpx

from service.processes.child import Child, Program, end_all
from service.processes.errors import PortTakenError
from service.processes.home_lock import home_locked
from worker.settings import Settings

TICK_SECONDS = 0.1
GRACE_SECONDS = 8.0
FROZEN_SECONDS = 20.0
"""How long a child that ran may be silent before it is taken for frozen."""


PROGRAMS = (
    Program("api", (sys.executable, "-m", "service.api_main")),
    Program("dispatcher", (sys.executable, "-m", "worker.dispatcher")),
    Program("worker", (sys.executable, "-m", "worker.worker_main")),
)


def service_url(settings: Settings) -> str:
    """Where the API answers for somebody on this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def log_folder(settings: Settings) -> Path:
    """Where each child of the supervisor writes its log."""
    return settings.home / "logs"


def with_port_claimed(settings: Settings) -> Settings:
    """The settings with a port that was free a moment ago: the one asked for, or any where that is 0.

    One that is taken is asked for again for a while: the API of a killed supervisor takes a few seconds to end.

    Raises:
        PortTakenError: the one asked for is not free.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    give_up = time.monotonic() + GRACE_SECONDS
    while True:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.host, settings.port))
                return replace(settings, port=probe.getsockname()[1])
            except OSError as error:
                if error.errno != errno.EADDRINUSE or time.monotonic() >= give_up:
                    raise PortTakenError(settings.host, settings.port, error.strerror or str(error)) from error
        time.sleep(TICK_SECONDS)


def supervise(
    settings: Settings,
    stop: threading.Event,
    *,
    migrate: Callable[[Settings], None],
    say: Callable[[str], None],
    programs: Sequence[Program] = PROGRAMS,
    frozen_seconds: float = FROZEN_SECONDS,
) -> None:
    """Bring the database up to date, run the programs until `stop` is set, and leave nothing running.

    A child that ends on its own is started again, after a pause that doubles from 0.5 s to 30 s while it keeps
    failing. A child that gave signs of life and is silent for `frozen_seconds` is killed, and started again in the same
    way. At the end each child is asked to stop (SIGTERM) and has 8 s; then its session is killed.

    Args:
        settings: the children get them through their environment; port 0 has a free one chosen.
        migrate: brings the database up to date.
        say: takes each line that a person should see.

    Raises:
        HomeInUseError: another supervisor works on the same home.
        PortTakenError: the API's port is not free.
    """
    with home_locked(settings.home) as announce:
        settings = with_port_claimed(settings)
        announce(service_url(settings))
        migrate(settings)
        folder = log_folder(settings)
        say(f"ldnas starts in {settings.home}; logs in {folder}; Ctrl-C stops it")
        folder.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, **settings.as_environment(), "LDNAS_EXIT_WITH_PARENT": "1"}
        children = [
            Child(program, folder / f"{program.name}.log", environment, say, frozen_seconds) for program in programs
        ]
        try:
            for child in children:
                child.start()
            _keep_alive(children, stop, service_url(settings), say)
        finally:
            end_all(children, GRACE_SECONDS)


def _keep_alive(children: Sequence[Child], stop: threading.Event, url: str, say: Callable[[str], None]) -> None:
    announced = False
    while not stop.wait(TICK_SECONDS):
        for child in children:
            child.keep_alive()
        if not announced and is_ready(url):
            announced = True
            say(f"ready: {url}/v1, documentation at {url}/docs")


def is_ready(url: str) -> bool:
    """Whether the service at this address answers that it is ready."""
    try:
        return httpx.get(f"{url}/readyz", timeout=1.0).is_success
    except httpx.TransportError:
        return False
