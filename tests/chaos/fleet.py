"""The real processes of the service, each of which can be killed, frozen and started again."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx
import psutil

from tests.chaos import cleaning, forked_runner, forking_worker, trapped
from tests.chaos.calls import CALL_LIMIT_SECONDS
from tests.chaos.locks import with_own_name
from tests.chaos.network import Network
from tests.chaos.pace import pace_of
from tests.chaos.servers import Pair
from tests.chaos.traps import RUNNER, Traps
from worker.process.names import FORK_SERVER
from worker.registry import Engine, open_engine
from worker.registry.schema import migrate
from worker.settings import Settings

T = TypeVar("T")

ROOT = Path(__file__).parents[2]

WORKERS = ("worker 1", "worker 2")
_MODULES = {
    "api": "service.api_main",
    "dispatcher": "worker.queue.dispatcher",
    **dict.fromkeys(WORKERS, forking_worker.__name__),
}
CLEANER = "cleaner"

INSIDE_SHARE = 0.5
"""How often a fault that strikes a process does so inside a transaction."""


@dataclass(frozen=True)
class Runner:
    """A runner at work: the process that its worker started, and the one that computes (they may be one)."""

    worker: str
    started: int
    computing: int


def until(look: Callable[[], T], what: str, seconds: float) -> T:
    """What `look` gives once it is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.05)
    raise TimeoutError(f"not within {seconds:.0f} s: {what}")


class Fleet:
    """An API, a dispatcher and two workers on a home and a pair of their own.

    `runners` are `real` ones, or those of `forked_runner` whose trainings are `short` or `full`. `warm` ones are short
    too, and forked by the fork servers of their workers.

    Attributes:
        traps: they strike inside the transactions of the fleet's processes.
        network: the fleet reaches its servers through it; `settings` and `engine` lead past it.
    """

    def __init__(
        self, home: Path, pair: Pair, *, datasets: Path, runners: str = "short", inside_share: float = INSIDE_SHARE
    ) -> None:
        self.home = home
        self.pair = pair
        self.pace = pace_of(runners)
        self._runners = runners
        self._parts: dict[str, subprocess.Popen[bytes]] = {}
        self.inside_share = inside_share
        self.traps = Traps(home)
        direct = pair.start()
        self.network = Network(direct)
        self._environment = {
            **os.environ,
            **self.network.settings,
            "LDNAS_HOME": str(home),
            "LDNAS_PORT": str(_free_port()),
            "LDNAS_DATASET_ROOTS": str(datasets),
            "LDNAS_DEVICE": "cpu",
            "LDNAS_NETWORK": "small_cnn",
            "LDNAS_STUDY": "off",
            "LDNAS_LEASE_SECONDS": str(self.pace.lease),
            "LDNAS_STALL_SECONDS": str(self.pace.stall),
            "LDNAS_EXIT_WITH_PARENT": "1",
            "OMP_NUM_THREADS": "1",
        }
        self.settings = Settings.from_environment({**self._environment, **direct})
        self.engine: Engine = open_engine(with_own_name(self.settings.database_url))
        self._pids = home / "runners"
        self._address = str(home / "nursery")
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.settings.port}", timeout=CALL_LIMIT_SECONDS)

    def start(self) -> None:
        """Bring the database up to date and start all."""
        for folder in (self.home / "logs", self._pids, self.store):
            folder.mkdir(parents=True, exist_ok=True)
        migrate(self.settings.database_url)
        if self._is_forked_for_all():
            program = [sys.executable, "-m", forked_runner.__name__, "nursery"]
            self._launch("nursery", [*program, self._runners, self._address, str(self._pids)])
            until(Path(self._address).exists, "runners can be forked", self.pace.patience)
        self.start_missing()
        until(self.is_ready, "the API is ready", self.pace.patience)

    @property
    def store(self) -> Path:
        """The root of the artifact store."""
        return Path(self.settings.artifact_url)

    def start_missing(self) -> None:
        """Start every part that is not there, as a supervisor would."""
        for name, module in _MODULES.items():
            if name in self._parts and self._parts[name].poll() is not None:
                _collect(self._parts.pop(name))
            if name not in self._parts:
                self._launch(name, [*trapped.command(name, module), *self._runner_command(name)])

    def start_cleaner(self) -> None:
        """Start a process that cleans the database again and again."""
        self._launch(CLEANER, trapped.command(CLEANER, cleaning.__name__))

    def _runner_command(self, name: str) -> list[str]:
        if name not in WORKERS:
            return []
        if self._runners == "real":
            return trapped.command(RUNNER, "worker.queue.runner")
        if self._runners == forking_worker.WARM:
            return [forking_worker.WARM]
        return [sys.executable, "-I", "-S", forked_runner.__file__, "run", self._address]

    def is_ready(self) -> bool:
        """Whether the API answers and sees its database."""
        try:
            return self.http.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def crashed(self) -> list[str]:
        """Parts that have ended without being killed."""
        return [name for name, part in self._parts.items() if part.poll() is not None]

    def kill(self, *names: str) -> None:
        """SIGKILL, to all at once: no part can end in order."""
        for name in names:
            self._parts[name].send_signal(signal.SIGSTOP)
        for name in names:
            self._parts[name].kill()
        for name in names:
            _collect(self._parts.pop(name))

    def terminate(self, *names: str) -> None:
        """SIGTERM, to all at once, and SIGKILL to each part that has not ended within 10 s."""
        for name in names:
            self._parts[name].terminate()
        for name in names:
            part = self._parts.pop(name)
            with suppress(subprocess.TimeoutExpired):
                part.wait(10)
            part.kill()
            _collect(part)

    def pid(self, name: str) -> int:
        """The process of a part."""
        return self._parts[name].pid

    @property
    def service_parts(self) -> tuple[str, ...]:
        """Names of all parts of the service."""
        return tuple(_MODULES)

    def runners(self, worker: str | None = None) -> list[Runner]:
        """The runners at work, of one worker or of all."""
        found = []
        for name in WORKERS if worker is None else (worker,):
            part = self._parts.get(name)
            for child in _children(part.pid) if part is not None and part.poll() is None else []:
                computing = self._forked(child.pid) if self._is_forked_for_all() else child.pid
                if computing is not None and not _is_fork_server(child):
                    found.append(Runner(name, child.pid, computing))
        return found

    def _is_forked_for_all(self) -> bool:
        """Whether one nursery forks the runners of all workers."""
        return self._runners in ("short", "full")

    def _forked(self, started: int) -> int | None:
        try:
            return int((self._pids / str(started)).read_text())
        except (FileNotFoundError, ValueError):
            return None

    def writers(self) -> list[psutil.Process]:
        """All processes that write files, and those that beget such."""
        names = ("dispatcher", "nursery", *WORKERS)
        found = [psutil.Process(self._parts[name].pid) for name in names if name in self._parts]
        return [*found, *(child for process in found for child in process.children(recursive=True))]

    def stop(self) -> None:
        """End everything, also a runner that is frozen and does not notice that its worker is gone."""
        runners = self.runners()
        self.terminate(*(name for name in self._parts if name != "nursery"))
        send(signal.SIGKILL, *(pid for runner in runners for pid in (runner.started, runner.computing)))
        self.terminate(*self._parts)
        self.http.close()
        self.engine.dispose()
        self.network.close()
        self.pair.stop()

    def _launch(self, name: str, command: Sequence[str]) -> None:
        with (self.home / "logs" / f"{name.replace(' ', '')}.log").open("ab") as log:
            self._parts[name] = subprocess.Popen(
                [*_without_override(), *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self._environment,
                cwd=ROOT,
                start_new_session=True,
            )


def send(number: signal.Signals, *pids: int) -> None:
    """A signal to each process that is still there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _collect(part: subprocess.Popen[bytes]) -> None:
    part.wait()
    assert part.stdin is not None
    part.stdin.close()


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children()
    except psutil.NoSuchProcess:
        return []


def _is_fork_server(process: psutil.Process) -> bool:
    try:
        return process.name() == FORK_SERVER
    except psutil.NoSuchProcess:
        return False


def _without_override() -> list[str]:
    """Where root runs this, its processes must heed the permissions of folders too."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return []
    return ["setpriv", "--bounding-set", "-dac_override"]


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port
