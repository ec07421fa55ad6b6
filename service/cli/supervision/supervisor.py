"""`ldnas up`: one process that runs the API, the dispatcher and one worker, and stops them when it ends.

Each child leads its own session, so that Ctrl-C on the terminal reaches only the supervisor, which stops the children
in order. Each child reads a pipe on its standard input that closes when the supervisor ends, for whatever reason. Each
child gives signs of life, and a frozen one is killed and restarted: it may hold the only write lock of SQLite.
"""

import errno
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import httpx

from service.cli.supervision.child import Child, Program, end_all
from service.cli.supervision.errors import PortTakenError
from service.cli.supervision.home_lock import home_locked
from worker.process.module_command import module_command
from worker.settings import Settings

TICK_SECONDS = 0.1
GRACE_SECONDS = 8.0
FROZEN_SECONDS = 20.0
"""How long a child that gave signs of life may be silent before it counts as frozen."""


_REMEDIES = {
    errno.EADDRINUSE: "set LDNAS_PORT to a free port, or to 0 to choose one",
    errno.EACCES: "set LDNAS_PORT to 1024 or more",
}
"""What to change if the API cannot listen, by the error's number; otherwise the host is at fault."""

PROGRAMS = (
    Program("api", module_command("service.api_main")),
    Program("dispatcher", module_command("worker.queue.dispatcher")),
    Program("worker", module_command("worker.queue.worker_main")),
)


def service_url(settings: Settings) -> str:
    """The URL of the API on this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def log_folder(settings: Settings) -> Path:
    """The folder of the children's logs."""
    return settings.home / "logs"


def with_port_claimed(settings: Settings) -> Settings:
    """The settings with a free port: the given one, or any port if that is 0.

    A port that is in use is tried again for a while: the API of a killed supervisor takes a few seconds to end.

    Raises:
        PortTakenError: the given port is not free.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    give_up = time.monotonic() + GRACE_SECONDS
    while True:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.host, settings.port))
                return replace(settings, port=probe.getsockname()[1])
            except (OSError, UnicodeError) as error:  # a host name may be longer than names can be
                code = error.errno if isinstance(error, OSError) and not isinstance(error, socket.gaierror) else None
                if code != errno.EADDRINUSE or time.monotonic() >= give_up:
                    reason = getattr(error, "strerror", None) or str(error)
                    remedy = _REMEDIES.get(code or 0, "set LDNAS_HOST to an address of this machine")
                    raise PortTakenError(settings.host, settings.port, reason, remedy) from error
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
    """Migrates the database, runs the programs until `stop` is set, and stops all of them.

    A child that exits is restarted after a pause, which doubles from 0.5 s to 30 s while the child fails repeatedly. A
    child that gave signs of life and is then silent for `frozen_seconds` is killed, and restarted in the same way. A
    child that cannot start (four starts in a row failed, and it never ran for 30 s) ends everything. At the end each
    child gets SIGTERM and has 8 s to stop; then its session is killed.

    Args:
        settings: passed to the children through their environment; port 0 chooses a free port.
        migrate: migrates the database.
        say: called with each line for the user.

    Raises:
        HomeInUseError: another supervisor uses the same home.
        PortTakenError: the API's port is not free.
        CannotStartError: a child cannot start.
    """
    with home_locked(settings.home) as announce:
        settings = with_port_claimed(settings)
        announce(service_url(settings))
        migrate(settings)
        folder = log_folder(settings)
        say(f"starting ldnas in {settings.home}; logs in {folder}; press Ctrl-C to stop")
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
    """Whether the service at this address is ready."""
    try:
        return httpx.get(f"{url}/readyz", timeout=1.0, trust_env=False).is_success  # never through a proxy
    except httpx.TransportError:
        return False
