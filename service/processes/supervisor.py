"""`ldnas up`: one process that keeps the API, the dispatcher and one worker alive, and takes them with it.

Each child leads a session of its own, so that Ctrl-C on the terminal reaches the supervisor alone and the end is
orderly; and each reads a pipe on its standard input that closes when the supervisor is gone, however it went.
"""

import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from service.processes.errors import PortTakenError
from service.processes.home_lock import home_locked
from worker.settings import Settings

TICK_SECONDS = 0.1
GRACE_SECONDS = 8.0
FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 30.0
# A child that held out this long is not in a crash loop.
SETTLED_SECONDS = 30.0
LOG_BYTES = 10_000_000


@dataclass(frozen=True)
class Program:
    """What one child runs; its name is also its log's."""

    name: str
    argv: tuple[str, ...]


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
) -> None:
    """Bring the database up to date, run the programs until `stop` is set, and leave nothing running.

    A child that ends on its own is started again, after a pause that doubles from 0.5 s to 30 s while it keeps
    failing. At the end each child is asked to stop (SIGTERM) and has 8 s; then its session is killed.

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
        children = [Child(program, folder / f"{program.name}.log", environment, say) for program in programs]
        try:
            for child in children:
                child.start()
            _keep_alive(children, stop, service_url(settings), say)
        finally:
            end_all(children, GRACE_SECONDS)


def _keep_alive(children: Sequence["Child"], stop: threading.Event, url: str, say: Callable[[str], None]) -> None:
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


class Child:
    """One program, started again whenever it ends on its own."""

    def __init__(self, program: Program, log: Path, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
        self.name = program.name
        self.log = log
        self._argv = program.argv
        self._environment = dict(environment)
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._backoff = FIRST_BACKOFF_SECONDS
        self._start_at = 0.0

    @property
    def pid(self) -> int | None:
        """The process that runs it now, or None."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the program; what it writes is added to its log."""
        self._bound_log()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._argv,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )
        self._started = time.monotonic()

    def keep_alive(self) -> None:
        """Notice an end, and start again when the pause after it is over."""
        now = time.monotonic()
        if self._process is None:
            if now >= self._start_at:
                self.start()
            return
        code = self._process.poll()
        if code is None:
            self._bound_log()
            return
        if now - self._started >= SETTLED_SECONDS:
            self._backoff = FIRST_BACKOFF_SECONDS
        self._say(f"{self.name} ended ({_how(code)}); starting it again in {self._backoff:g} s, its log: {self.log}")
        self._forget()
        self._start_at = now + self._backoff
        self._backoff = min(2 * self._backoff, LONGEST_BACKOFF_SECONDS)

    def _bound_log(self) -> None:
        """Copy a log that became long, and begin it anew: the child has it open, and adds to wherever its end is."""
        with suppress(OSError):
            if self.log.stat().st_size > LOG_BYTES:
                shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
                os.truncate(self.log, 0)

    def ask_to_end(self) -> None:
        """Send SIGTERM."""
        self._signal(signal.SIGTERM)

    def end_by(self, deadline: float) -> None:
        """Wait until the deadline (of the monotonic clock), then kill the whole session."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._say(f"{self.name} did not stop in time and was killed")
            self._signal(signal.SIGKILL)
            self._process.wait()
        self._forget()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _forget(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        self._process = None


def end_all(children: Sequence[Child], grace_seconds: float) -> None:
    """Ask all to stop at once, then wait for them together."""
    for child in children:
        child.ask_to_end()
    deadline = time.monotonic() + grace_seconds
    for child in children:
        child.end_by(deadline)


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
