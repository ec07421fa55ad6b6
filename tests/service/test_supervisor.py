"""The supervisor: one for each home, its children kept alive, and nothing left when it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from service.processes import supervisor
from service.processes.errors import HomeInUseError, PortTakenError
from service.processes.home_lock import home_locked, running_service
from service.processes.supervisor import Program, supervise, with_port_claimed
from worker.settings import Settings

PATIENCE_SECONDS = 60.0
SLEEPS = "import time; time.sleep(600)"


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that other processes do; fails where it does not happen."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < give_up, "it did not happen in time"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings.from_environment({"LDNAS_HOME": str(tmp_path / "home"), "LDNAS_PORT": "0"})


@contextmanager
def supervised(settings: Settings, *programs: Program) -> Iterator[list[str]]:
    """A supervisor in a thread; yields what it says, and stops it at the end."""
    stop, said = threading.Event(), []
    thread = threading.Thread(
        target=supervise,
        args=(settings, stop),
        kwargs={"migrate": lambda settings: None, "say": said.append, "programs": programs},
    )
    thread.start()
    try:
        yield said
    finally:
        stop.set()
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


def program(name: str, code: str) -> Program:
    return Program(name, (sys.executable, "-c", code))


def pids_in(log: Path) -> list[int]:
    return [int(line) for line in log.read_text().split()] if log.exists() else []


def test_children_get_the_settings_and_end_with_the_supervisor(home: Settings) -> None:
    names = ("LDNAS_HOME", "LDNAS_PORT", "LDNAS_EXIT_WITH_PARENT")
    code = f"import os, time; print(*map(os.environ.get, {names}), os.getpid(), flush=True); {SLEEPS}"
    log = home.home / "logs" / "api.log"
    with supervised(home, program("api", code)):
        until(lambda: log.exists() and log.read_text().endswith("\n"))
        seen_home, port, exits, pid = log.read_text().split()
        running = running_service(home.home)
        assert running is not None
        assert (running.pid, running.url) == (os.getpid(), f"http://127.0.0.1:{port}")
        assert (seen_home, exits) == (str(home.home), "1")
        assert alive(int(pid))
    assert not alive(int(pid))
    assert running_service(home.home) is None


def test_a_child_that_dies_is_started_again_after_a_growing_pause(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "FIRST_BACKOFF_SECONDS", 0.125)
    with supervised(home, program("worker", "raise SystemExit(3)")) as said:
        until(lambda: sum("worker ended (exit code 3)" in line for line in said) >= 3)
    pauses = [line.partition(" in ")[2].partition(" s,")[0] for line in said if "worker ended" in line]
    assert pauses[:3] == ["0.125", "0.25", "0.5"]


def test_a_child_that_was_killed_is_started_again(home: Settings) -> None:
    log = home.home / "logs" / "worker.log"
    with supervised(home, program("worker", f"import os; print(os.getpid(), flush=True); {SLEEPS}")) as said:
        until(lambda: len(pids_in(log)) == 1)
        os.kill(pids_in(log)[0], signal.SIGKILL)
        until(lambda: len(pids_in(log)) == 2)
        assert any("worker ended (SIGKILL)" in line for line in said)
    assert not any(map(alive, pids_in(log)))


def test_a_child_that_does_not_stop_is_killed(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "GRACE_SECONDS", 0.3)
    log = home.home / "logs" / "worker.log"
    deaf = f"import os, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(os.getpid(), flush=True); {SLEEPS}"
    with supervised(home, program("worker", deaf)) as said:
        until(lambda: len(pids_in(log)) == 1)
    assert not alive(pids_in(log)[0])
    assert "worker did not stop in time and was killed" in said


def test_a_home_has_one_supervisor(home: Settings) -> None:
    with home_locked(home.home) as announce:
        announce("http://127.0.0.1:8123")
        with pytest.raises(HomeInUseError, match=rf"process {os.getpid()} at http://127.0.0.1:8123; .*LDNAS_HOME"):
            supervise(home, threading.Event(), migrate=lambda settings: None, say=print, programs=())


def test_a_home_is_free_once_its_holder_was_killed(home: Settings) -> None:
    code = f"""
import time
from pathlib import Path
from service.processes.home_lock import home_locked
with home_locked(Path({str(home.home)!r})) as announce:
    announce("http://127.0.0.1:1")
    time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code]) as holder:
        until(lambda: running_service(home.home) is not None)
        holder.kill()
        holder.wait()
        assert running_service(home.home) is None


def test_a_port_that_is_taken_is_refused_before_anything_starts(home: Settings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortTakenError, match=rf"127.0.0.1:{port} .*LDNAS_PORT"):
            supervise(
                replace(home, port=port), threading.Event(), migrate=lambda settings: None, say=print, programs=()
            )
    assert running_service(home.home) is None


def test_port_0_has_a_free_port_chosen(home: Settings) -> None:
    assert with_port_claimed(home).port > 0


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def descendants_of(pid: int) -> list[int]:
    found = children_of(pid)
    return found + [deeper for child in found for deeper in descendants_of(child)]


@pytest.fixture
def real_service(home: Settings) -> Iterator["subprocess.Popen[str]"]:
    """`ldnas up` as a person would start it, ready."""
    environment = {**os.environ, **home.as_environment()}
    command = [sys.executable, "-m", "service.cli", "up"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("ready: "):
                break
        yield process
        process.kill()


@pytest.mark.system
def test_the_real_service_starts_refuses_a_second_one_and_stops_clean(
    home: Settings, real_service: "subprocess.Popen[str]"
) -> None:
    running = running_service(home.home)
    assert running is not None
    assert running.pid == real_service.pid
    assert httpx.get(f"{running.url}/readyz").json()["status"] == "ready"
    environment = {**os.environ, **home.as_environment()}
    second = subprocess.run(
        [sys.executable, "-m", "service.cli", "up"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert (second.returncode, f"process {running.pid} at {running.url}" in second.stderr) == (1, True)
    family = descendants_of(real_service.pid)
    assert len(family) >= 3
    real_service.send_signal(signal.SIGINT)
    assert real_service.wait(PATIENCE_SECONDS) == 0
    assert not any(map(alive, family))


@pytest.mark.system
def test_a_killed_supervisor_takes_its_children_with_it(home: Settings, real_service: "subprocess.Popen[str]") -> None:
    family = descendants_of(real_service.pid)
    assert len(family) >= 3
    real_service.kill()
    until(lambda: not any(map(alive, family)))
    assert json.loads((home.home / "supervisor.lock").read_text())["pid"] == real_service.pid
    assert running_service(home.home) is None
