"""A signal sets its event also where it interrupts `Event.wait`, which holds the event's lock."""

import subprocess
import sys
from pathlib import Path

import pytest

# The main thread holds the lock as `wait` does; a handler that waits for it ends the process by its alarm.
INTERRUPTED = """
import os, signal, threading
signal.alarm(10)
{set_up}
with event._cond:
    os.kill(os.getpid(), signal.SIGTERM)
    for _ in range(1000): pass  # Python runs the handler between two of its instructions
assert event.wait(5)
"""
UP = """
from worker.process.stop_signals import stop_on
event = stop_on(signal.SIGTERM, signal.SIGINT)
"""
HANDLES = "signal.signal("
API = """
from service.api_main import ApiServer
import uvicorn
event = threading.Event()
server = ApiServer(uvicorn.Config(lambda: None), event)
signal.signal(signal.SIGTERM, server.handle_exit)
"""


@pytest.mark.parametrize("set_up", [UP, API], ids=["event", "API"])
def test_a_signal_inside_a_wait_sets_the_event(set_up: str) -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED.format(set_up=set_up)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_program_sets_an_event_in_a_handler_itself() -> None:
    handlers = [
        path for floor in ("service", "worker") for path in Path(floor).rglob("*.py") if HANDLES in path.read_text()
    ]
    assert handlers == [Path("worker/process/stop_signals.py")]
