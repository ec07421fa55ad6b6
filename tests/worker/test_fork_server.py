"""Runners that are forked: as independent of each other, and as bound to their worker, as runners that are started."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from worker.process.module_command import module_command
from worker.queue import fork_server_process
from worker.queue.fork_server_process import ForkServerProcess, started_fork_server
from worker.queue.runner_process import RunnerProcess
from worker.settings import Settings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process adopt orphans")

PATIENCE_SECONDS = 20.0

# Reports itself in the file of its first argument, then does what the second one says.
PROGRAM = """
import json, os, subprocess, sys, time

def main():
    file, do = sys.argv[1:]
    child = subprocess.Popen(["sleep", "600"]).pid if "child" in do else None
    facts = {"pid": os.getpid(), "parent": os.getppid(), "session": os.getsid(0), "child": child,
             "environment": dict(os.environ), "name": open("/proc/self/comm").read().strip(),
             "files": sorted(os.listdir("/proc/self/fd"))}
    with open(file + ".part", "w") as out:
        json.dump(facts, out)
    os.rename(file + ".part", file)
    if "read" in do:
        sys.exit(7 if os.read(0, 1) == b"" else 1)
    if "abort" in do:
        os.abort()
    if "hang" in do:
        time.sleep(600)
    sys.exit(78)
"""


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The command of a server that forks `PROGRAM`."""
    (tmp_path / "program.py").write_text(PROGRAM)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    return module_command("worker.queue.fork_server", "program", "package_that_is_not_installed")


@pytest.fixture
def server(command: tuple[str, ...]) -> Iterator[ForkServerProcess]:
    with ForkServerProcess(command) as started:
        started.prepare(threading.Event())
        yield started


def start(server: ForkServerProcess, file: Path, do: str = "", **environment: str) -> RunnerProcess:
    # Nothing can be started by the command: the runner is a fork, or an error.
    arguments = (str(file), do)
    return RunnerProcess(["/nowhere/at/all"], environment, arguments=arguments, fork_server=server)


def facts(file: Path) -> dict[str, Any]:
    until(file.exists)
    return json.loads(file.read_text())


def until(look: Any) -> None:
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not look():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    """Whether the process has ended and was collected."""
    return not Path(f"/proc/{pid}").exists()


def test_a_fork_is_a_child_of_the_worker_in_a_session_of_its_own_with_the_given_environment(
    server: ForkServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH")
    runner = start(server, tmp_path / "one", GIVEN="it")
    assert runner.wait(PATIENCE_SECONDS) == 78
    runner.close()
    found = facts(tmp_path / "one")
    assert (found["parent"], found["session"]) == (os.getpid(), found["pid"])
    assert found["environment"] == {**os.environ, "GIVEN": "it"}
    assert found["files"] == ["0", "1", "2", "3"], "the three standard files, and the listing itself"
    assert is_gone(found["pid"])


def test_a_crash_ends_one_fork_alone(server: ForkServerProcess, tmp_path: Path) -> None:
    other, crashing = start(server, tmp_path / "other", "hang"), start(server, tmp_path / "crashing", "abort")
    assert crashing.wait(PATIENCE_SECONDS) == -signal.SIGABRT
    crashing.close()
    assert other.wait(0) is None
    last = start(server, tmp_path / "last")
    assert last.wait(PATIENCE_SECONDS) == 78
    other.close()
    assert other.wait(0) == -signal.SIGKILL
    last.close()


def test_closing_ends_and_collects_the_children_of_a_fork(server: ForkServerProcess, tmp_path: Path) -> None:
    runner = start(server, tmp_path / "parent", "hang and child")
    found = facts(tmp_path / "parent")
    runner.ask_to_end(PATIENCE_SECONDS)
    assert runner.wait(0) == -signal.SIGTERM
    runner.close()
    assert is_gone(found["pid"])
    assert is_gone(found["child"])


def test_a_fork_reads_the_end_of_its_standard_input_when_the_runner_is_closed_elsewhere(
    server: ForkServerProcess, tmp_path: Path
) -> None:
    forked = server.fork((str(tmp_path / "reader"), "read"), os.environ)
    assert forked is not None
    facts(tmp_path / "reader")
    os.close(forked.standard_input)
    assert forked.wait(PATIENCE_SECONDS) == 7


def test_a_killed_server_takes_no_fork_with_it_and_is_started_again(server: ForkServerProcess, tmp_path: Path) -> None:
    first, before = start(server, tmp_path / "first", "hang"), server.pid
    assert before is not None
    os.kill(before, signal.SIGKILL)
    until(lambda: _has_ended(before))
    server.prepare(threading.Event())
    assert server.pid != before
    second = start(server, tmp_path / "second")
    assert second.wait(PATIENCE_SECONDS) == 78
    assert first.wait(0) is None
    first.close()
    second.close()


def test_a_frozen_server_is_killed_and_the_runner_started_without_it(
    server: ForkServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fork_server_process, "FORKING_SECONDS", 0.2)
    frozen = server.pid
    assert frozen is not None
    os.kill(frozen, signal.SIGSTOP)
    program = [sys.executable, "-c", "import sys; sys.exit(int(sys.argv[1]))"]
    runner = RunnerProcess(program, {}, arguments=("5",), fork_server=server)
    assert runner.wait(PATIENCE_SECONDS) == 5
    runner.close()
    assert is_gone(frozen)


def test_an_environment_that_no_message_holds_is_given_to_a_started_runner(server: ForkServerProcess) -> None:
    before = server.pid
    program = [sys.executable, "-c", "import os, sys; sys.exit(len(os.environ['LARGE']) // 100_000)"]
    large = {"LARGE": "x" * 100_000, **{f"LARGE{number}": "x" * 100_000 for number in range(9)}}
    runner = RunnerProcess(program, large, fork_server=server)
    assert runner.wait(PATIENCE_SECONDS) == 1
    runner.close()
    assert server.pid == before


def test_a_server_that_cannot_load_is_given_up_at_once(caplog: pytest.LogCaptureFixture) -> None:
    with ForkServerProcess([sys.executable, "-c", "raise SystemExit(1)"]) as broken:
        broken.prepare(threading.Event())
        assert broken.fork((), {}) is None
        broken.prepare(threading.Event())
        assert broken.pid is None, "the next start is a minute away"
    assert "ended while it was loading" in caplog.text


def test_a_module_that_starts_a_thread_is_not_forked(
    tmp_path: Path, command: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    thread = "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
    (tmp_path / "program.py").write_text(thread)
    with ForkServerProcess(command) as server:
        server.prepare(threading.Event())
        assert server.fork((), {}) is None
    assert "a module starts a thread when it is imported" in capfd.readouterr().err


WORKER = """
import os, sys, threading, time
from worker.queue.fork_server_process import ForkServerProcess
from worker.queue.runner_process import RunnerProcess
with ForkServerProcess(sys.argv[2:]) as server:
    server.prepare(threading.Event())
    # From a thread, as Celery's pool does; the thread is gone before the runner ends.
    thread = threading.Thread(target=lambda: RunnerProcess([], {}, arguments=(sys.argv[1], "hang"), fork_server=server))
    thread.start()
    thread.join()
    print(server.pid, flush=True)
    time.sleep(600)
"""


def test_frozen_forks_and_their_server_are_gone_when_the_worker_is_killed(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    arguments = [sys.executable, "-c", WORKER, str(tmp_path / "fork"), *command]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        left = [int(worker.stdout.readline()), facts(tmp_path / "fork")["pid"]]
        for pid in left:
            os.kill(pid, signal.SIGSTOP)
        worker.kill()
    until(lambda: all(map(_has_ended, left)))


def _has_ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_the_setting_switches_the_server_off(tmp_path: Path) -> None:
    settings = Settings.from_environment({"LDNAS_HOME": str(tmp_path), "LDNAS_WARM_RUNNER": "off"})
    with started_fork_server(settings) as server:
        assert server is None
