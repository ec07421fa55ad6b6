"""A runner never outlives its worker, even where the runner itself cannot act."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from worker.queue.runner_process import RunnerProcess

PATIENCE_SECONDS = 20.0

# Starts its runner from a thread, as Celery's pool does; the runner never looks at its standard input.
WORKER = """
import sys, threading
from worker.queue.runner_process import RunnerProcess
RUNNER = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
def run():
    RunnerProcess([sys.executable, "-c", RUNNER], {}).wait(600)
threading.Thread(target=run).start()
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills a child with its parent")
def test_a_frozen_runner_is_gone_when_its_worker_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", WORKER], stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        runner = int(worker.stdout.readline())
        assert alive(runner)
        os.kill(runner, signal.SIGSTOP)
        worker.kill()
    give_up = time.monotonic() + PATIENCE_SECONDS
    while alive(runner) and time.monotonic() < give_up:
        time.sleep(0.05)
    left = alive(runner)
    if left:
        os.kill(runner, signal.SIGKILL)
    assert not left


def test_a_runner_is_the_program_itself_in_a_session_of_its_own(tmp_path: Path) -> None:
    said = tmp_path / "said"
    code = f"import os; open({str(said)!r}, 'w').write(f'{{os.getpid()}} {{os.getsid(0)}} {{os.environ[\"GIVEN\"]}}')"
    started: list[RunnerProcess] = []

    def run() -> None:
        started.append(RunnerProcess([sys.executable, "-c", code], {"GIVEN": "it"}))
        assert started[0].wait(PATIENCE_SECONDS) == 0

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    pid, session, given = said.read_text().split()
    assert (pid, given) == (session, "it")
    started[0].close()


def test_a_program_that_is_missing_is_refused_at_once() -> None:
    with pytest.raises(FileNotFoundError, match="/nowhere/at/all"):
        RunnerProcess(["/nowhere/at/all"], {})
