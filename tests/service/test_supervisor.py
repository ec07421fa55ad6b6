"""The supervisor: one for each home, its children kept alive, and nothing left when it ends."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from service.cli.supervision import child, supervisor
from service.cli.supervision.errors import CannotStartError, HomeInUseError, PortTakenError
from service.cli.supervision.home_lock import home_locked, running_service
from service.cli.supervision.log_reason import reason_in
from service.cli.supervision.silence import Silence
from service.cli.supervision.supervisor import PROGRAMS, Program, supervise, with_port_claimed
from worker.registry.schema import migrate
from worker.settings import Settings

PATIENCE_SECONDS = 60.0
SLEEPS = "import time; time.sleep(600)"
GIVES_SIGNS = f"""
import os
from worker.process.sign_of_life import give_signs_of_life
give_signs_of_life(os.environ)
print(os.getpid(), flush=True)
{SLEEPS}
"""


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
def supervised(settings: Settings, *programs: Program, frozen_seconds: float = 20.0) -> Iterator[list[str]]:
    """A supervisor in a thread; yields what it says, and stops it at the end."""
    stop, said = threading.Event(), []
    thread = threading.Thread(
        target=supervise,
        args=(settings, stop),
        kwargs={
            "migrate": lambda settings: None,
            "say": said.append,
            "programs": programs,
            "frozen_seconds": frozen_seconds,
        },
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


def test_a_child_that_cannot_start_is_started_again_after_growing_pauses_then_ends_everything_with_its_reason(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "FIRST_BACKOFF_SECONDS", 0.125)
    api, log, said = home.home / "logs" / "api.log", home.home / "logs" / "worker.log", []
    log.parent.mkdir(parents=True)
    log.write_text("ValueError: of an earlier day\n")
    programs = [
        program("api", f"import os; print(os.getpid(), flush=True); {SLEEPS}"),
        program("worker", "import missing_queue"),
    ]
    with pytest.raises(CannotStartError) as refusal:
        supervise(home, threading.Event(), migrate=lambda settings: None, say=said.append, programs=programs)
    assert str(refusal.value) == (
        "worker cannot start, 4 attempts ended with exit code 1: ModuleNotFoundError: No module named "
        f"'missing_queue'; log: {log}"
    )
    pauses = [line.partition(" in ")[2].partition(" s;")[0] for line in said if "worker exited" in line]
    assert pauses == ["0.125", "0.25", "0.5"]
    assert not any(map(alive, pids_in(api)))


def test_a_child_that_once_ran_or_that_others_kill_is_started_again_without_end(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "FIRST_BACKOFF_SECONDS", 0.01)
    monkeypatch.setattr(child, "LONGEST_BACKOFF_SECONDS", 0.01)
    monkeypatch.setattr(child, "SETTLED_SECONDS", 1.0)
    first = home.home / "first"
    settles_once = f"""
import pathlib, time
first = pathlib.Path({str(first)!r})
if not first.exists():
    first.touch()
    time.sleep(1.1)
raise SystemExit(3)
"""
    killed = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with supervised(home, program("worker", settles_once), program("dispatcher", killed)) as said:
        for name in ("worker", "dispatcher"):
            until(lambda name=name: sum(f"{name} exited" in line for line in said) > child.FAILED_STARTS + 1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("starts\nTraceback (most recent call last):\n  File x\nValueError: one\ntwo\n", "ValueError: one"),
        ("ldnas: LDNAS_PORT is 'x'\n\n", "ldnas: LDNAS_PORT is 'x'"),
        ("", None),
    ],
)
def test_the_reason_of_a_failure_is_the_last_error_in_the_log(tmp_path: Path, text: str, reason: str | None) -> None:
    log = tmp_path / "worker.log"
    log.write_text("ValueError: before\n" + text)
    assert reason_in(log, len("ValueError: before\n")) == reason


def test_a_child_that_was_killed_is_started_again(home: Settings) -> None:
    log = home.home / "logs" / "worker.log"
    with supervised(home, program("worker", f"import os; print(os.getpid(), flush=True); {SLEEPS}")) as said:
        until(lambda: len(pids_in(log)) == 1)
        os.kill(pids_in(log)[0], signal.SIGKILL)
        until(lambda: len(pids_in(log)) == 2)
        assert any("worker exited (SIGKILL)" in line for line in said)
    assert not any(map(alive, pids_in(log)))


def test_a_child_that_does_not_stop_is_killed(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "GRACE_SECONDS", 0.3)
    log = home.home / "logs" / "worker.log"
    deaf = f"import os, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(os.getpid(), flush=True); {SLEEPS}"
    with supervised(home, program("worker", deaf)) as said:
        until(lambda: len(pids_in(log)) == 1)
    assert not alive(pids_in(log)[0])
    assert "worker did not stop in time and was killed" in said


def test_a_frozen_child_is_killed_and_started_again_with_its_whole_session(home: Settings) -> None:
    log = home.home / "logs" / "dispatcher.log"
    with_a_child = f"import subprocess, sys; print(subprocess.Popen(['sleep', '600']).pid, flush=True)\n{GIVES_SIGNS}"
    with supervised(home, program("dispatcher", with_a_child), frozen_seconds=2.0) as said:
        until(lambda: len(pids_in(log)) == 2)
        first = pids_in(log)
        time.sleep(3)
        assert said[1:] == [], "a child that gives signs is left alone"
        for pid in first:
            os.kill(pid, signal.SIGSTOP)
        until(lambda: len(pids_in(log)) == 4)
        assert not any(map(alive, first))
        assert said[1:] == [
            f"dispatcher gave no sign of life for 2 s; killing it; log: {log}",
            f"dispatcher exited (SIGKILL); restarting it in 0.5 s; log: {log}",
        ]
    assert not any(map(alive, pids_in(log)))


def test_a_frozen_child_gives_the_write_lock_of_the_database_back(home: Settings) -> None:
    log, database = home.home / "logs" / "dispatcher.log", home.home / "locked.sqlite3"
    locks_once = f"""
import sqlite3
database = sqlite3.connect({str(database)!r}, isolation_level=None)
if database.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
    database.execute("CREATE TABLE seen (pid)")
    database.execute("BEGIN IMMEDIATE")
{GIVES_SIGNS}"""
    with supervised(home, program("dispatcher", locks_once), frozen_seconds=2.0):
        until(lambda: len(pids_in(log)) == 1)
        os.kill(pids_in(log)[0], signal.SIGSTOP)
        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("PRAGMA busy_timeout = 0")
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
            other.execute("PRAGMA busy_timeout = 30000")
            other.execute("INSERT INTO seen VALUES (1)")


def test_a_child_that_never_gave_a_sign_has_all_the_time_it_needs(home: Settings) -> None:
    log = home.home / "logs" / "worker.log"
    silent = f"import os; print(os.getpid(), flush=True); {SLEEPS}"
    with supervised(home, program("worker", silent), frozen_seconds=0.5) as said:
        until(lambda: len(pids_in(log)) == 1)
        time.sleep(2)
        assert alive(pids_in(log)[0])
        assert said[1:] == []


def test_silence_is_counted_from_the_last_sign_and_a_pause_of_the_machine_counts_one_second() -> None:
    reading, writing = os.pipe()
    silence = Silence(reading, now=0.0)
    assert [silence.seconds(now) for now in (1.0, 2.0, 500.0)] == [0.0, 0.0, 0.0], "it still starts"
    os.write(writing, b"..")
    assert silence.seconds(500.5) == 0.0
    assert [silence.seconds(now) for now in (500.75, 501.5, 9000.0, 9000.5)] == [0.25, 1.0, 2.0, 2.5]
    os.write(writing, b".")
    assert [silence.seconds(now) for now in (9001.0, 9001.5)] == [0.0, 0.5]
    os.close(writing)
    silence.close()


@pytest.mark.system
def test_a_pause_of_supervisor_and_child_together_ends_neither(home: Settings) -> None:
    log = home.home / "logs" / "worker.log"
    code = f"""
import sys, threading
from service.cli.supervision.supervisor import Program, supervise
from worker.settings import Settings
programs = [Program("worker", (sys.executable, "-c", {GIVES_SIGNS!r}))]
settings = Settings.from_environment({home.as_environment()!r})
supervise(settings, threading.Event(), migrate=lambda settings: None, say=print, programs=programs, frozen_seconds=2.0)
"""
    with subprocess.Popen([sys.executable, "-u", "-c", code], stdout=subprocess.PIPE, text=True) as machine:
        until(lambda: len(pids_in(log)) == 1)
        together = (machine.pid, pids_in(log)[0])
        for number, pause in ((signal.SIGSTOP, 4.0), (signal.SIGCONT, 3.0)):
            for pid in together:
                os.kill(pid, number)
            time.sleep(pause)
        assert all(map(alive, together))
        os.kill(together[1], signal.SIGSTOP)  # to see that it is watched
        until(lambda: not alive(together[1]))
        until(lambda: len(pids_in(log)) == 2)
        machine.kill()
        assert machine.stdout is not None
        assert [line for line in machine.stdout if "no sign" in line] == [
            f"worker gave no sign of life for 2 s; killing it; log: {log}\n"
        ]
    for pid in pids_in(log):
        if alive(pid):
            os.kill(pid, signal.SIGKILL)


def test_a_home_has_one_supervisor(home: Settings) -> None:
    with home_locked(home.home) as announce:
        announce("http://127.0.0.1:8123")
        with pytest.raises(HomeInUseError, match=rf"process {os.getpid()} at http://127.0.0.1:8123; .*LDNAS_HOME"):
            supervise(home, threading.Event(), migrate=lambda settings: None, say=print, programs=())


def test_a_home_is_free_once_its_holder_was_killed(home: Settings) -> None:
    code = f"""
import time
from pathlib import Path
from service.cli.supervision.home_lock import home_locked
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


def processes_running(*modules: str) -> list[int]:
    """The children of this process that run one of these modules."""
    threads = Path("/proc/self/task").glob("*/children")
    children = [int(child) for thread in threads for child in thread.read_text().split()]
    arguments = {child: Path(f"/proc/{child}/cmdline").read_text().split("\0") for child in children}
    return [child for child in children if set(modules) & set(arguments[child])]


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
def test_api_dispatcher_and_worker_are_started_again_when_they_are_frozen(home: Settings) -> None:
    migrate(home.database_url)
    with supervised(home, *PROGRAMS, frozen_seconds=3.0) as said:
        until(lambda: any(line.startswith("ready: ") for line in said))
        running = running_service(home.home)
        assert running is not None
        until(lambda: httpx.get(f"{running.url}/v1/workers").json()["items"] != [])
        frozen = processes_running("service.api_main", "worker.queue.dispatcher", "worker.queue.worker_main")
        assert len(frozen) == len(PROGRAMS)
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        for name in ("api", "dispatcher", "worker"):
            until(lambda name=name: any(line.startswith(f"{name} gave no sign of life for 3 s") for line in said))
        until(lambda: not any(map(alive, frozen)))
        until(lambda: supervisor.is_ready(running.url))


@pytest.mark.system
def test_modules_of_the_current_folder_hide_none_of_the_services_own(home: Settings, tmp_path: Path) -> None:
    for name in ("queue", "worker", "service"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('the wrong module')\n")
    code = f"""
import threading
from service.cli.supervision.supervisor import supervise
from worker.registry.schema import migrate
from worker.settings import Settings
settings = Settings.from_environment({home.as_environment()!r})
stop = threading.Event()
say = lambda line: (print(line, flush=True), line.startswith("ready: ") and stop.set())
supervise(settings, stop, migrate=lambda settings: migrate(settings.database_url), say=say)
"""
    ran = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert (ran.returncode, "exited" in ran.stdout) == (0, False), ran.stderr + ran.stdout


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
