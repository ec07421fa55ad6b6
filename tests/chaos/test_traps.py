"""A trap stops or kills a process inside a transaction, once, and leaves a record of it."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.chaos.fleet import ROOT, send, until
from tests.chaos.locks import lock_held
from tests.chaos.traps import FOLDER, Record, Traps
from worker.registry import open_engine

PART = "worker 1"
SECONDS = 20.0

# Reads, and then writes three numbers in a second thread, each in a transaction of its own and twice.
PROGRAM = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from sqlalchemy import text
from tests.chaos.traps import Trigger
from worker.registry.session import open_engine, read_only

Trigger(Path(sys.argv[1]), "worker 1").listen()
engine = open_engine(sys.argv[2])
sys.stdin.readline()
with read_only(engine).begin() as connection:
    connection.execute(text("SELECT count(*) FROM numbers"))
def write():
    for number in range(3):
        with engine.begin() as connection:
            row = {"number": number}
            connection.execute(text("INSERT INTO numbers VALUES (:number)"), row)
            connection.execute(text("UPDATE numbers SET number = number + 10 WHERE number = :number"), row)

with ThreadPoolExecutor() as thread:
    thread.submit(write).result()
"""

Start = Callable[[], subprocess.Popen[str]]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "numbers.sqlite3"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE numbers (number INTEGER)")
    connection.close()
    return path


@pytest.fixture
def start(tmp_path: Path, database: Path) -> Iterator[Start]:
    """Starts a process that writes once it reads a line."""
    with _processes([sys.executable, "-c", PROGRAM, str(tmp_path), f"sqlite:///{database}"]) as begin:
        yield begin


@contextmanager
def _processes(command: list[str]) -> Iterator[Start]:
    begun: list[subprocess.Popen[str]] = []

    def begin() -> subprocess.Popen[str]:
        begun.append(subprocess.Popen(command, stdin=subprocess.PIPE, text=True, cwd=ROOT))
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


def write(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def numbers(database: Path) -> list[int]:
    connection = sqlite3.connect(database)
    found = [number for (number,) in connection.execute("SELECT number FROM numbers ORDER BY number")]
    connection.close()
    return found


def test_a_frozen_process_holds_the_lock_of_its_transaction_and_commits_when_it_is_continued(
    tmp_path: Path, database: Path, start: Start
) -> None:
    traps = Traps(tmp_path)
    traps.arm(PART, signal.SIGSTOP)
    process = start()
    write(process)
    assert traps.wait(PART, SECONDS) == Record(process.pid, "INSERT INTO numbers VALUES (?)")
    until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED, "the process is stopped", SECONDS)
    engine = open_engine(f"sqlite:///{database}")
    assert lock_held(engine)
    assert numbers(database) == []
    send(signal.SIGCONT, process.pid)
    assert process.wait(SECONDS) == 0
    assert numbers(database) == [10, 11, 12], "it struck once"
    assert not lock_held(engine)
    engine.dispose()


def test_a_killed_process_loses_the_transaction_that_the_trap_was_armed_for(
    tmp_path: Path, database: Path, start: Start
) -> None:
    Traps(tmp_path).arm(PART, signal.SIGKILL, nth=3)
    process = start()
    write(process)
    assert process.wait(SECONDS) == -signal.SIGKILL
    assert numbers(database) == [10, 11]


def test_a_trap_waits_for_the_statement_that_it_names(tmp_path: Path, database: Path, start: Start) -> None:
    traps = Traps(tmp_path)
    traps.arm(PART, signal.SIGKILL, begins="UPDATE numbers")
    process = start()
    write(process)
    assert process.wait(SECONDS) == -signal.SIGKILL
    assert traps.record(PART) == Record(process.pid, "UPDATE numbers SET number = number")
    assert numbers(database) == []


def test_one_trap_strikes_one_of_two_processes(tmp_path: Path, database: Path, start: Start) -> None:
    traps = Traps(tmp_path)
    traps.arm(PART, signal.SIGKILL)
    both = [start(), start()]
    for process in both:
        write(process)
    assert sorted(process.wait(SECONDS) for process in both) == [-signal.SIGKILL, 0]


def test_a_trap_that_no_process_meets_is_disarmed(tmp_path: Path, database: Path, start: Start) -> None:
    traps = Traps(tmp_path)
    traps.arm("api", signal.SIGKILL)
    process = start()
    write(process)
    assert process.wait(SECONDS) == 0, "it is another part"
    assert traps.wait("api", 0.1) is None
    assert [*(tmp_path / FOLDER).iterdir()] == []
    assert traps.disarm("api") is False


def test_a_wrapped_module_runs_with_its_arguments_and_traps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LDNAS_HOME", str(tmp_path))
    command = [sys.executable, "-m", "tests.chaos.trapped", "runner", "json.tool", "--sort-keys"]
    with suppress(subprocess.TimeoutExpired):
        ended = subprocess.run(command, input='{"b": 1, "a": 2}', capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert ended.stdout.split() == ["{", '"a":', "2,", '"b":', "1", "}"], ended.stderr
