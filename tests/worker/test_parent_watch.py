"""A child ends when the pipe to its parent closes."""

import subprocess
import sys

import pytest

CHILD = """
import os, signal, sys, time
from worker.process.parent_watch import exit_with_parent
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
exit_with_parent(os.environ, grace_seconds=0.2)
print("ready", flush=True)
time.sleep(60 if "patient" not in sys.argv else 0.5)
"""


def start(*arguments: str, watch: str = "1") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"LDNAS_EXIT_WITH_PARENT": watch},
    )


@pytest.mark.parametrize(("arguments", "status"), [((), -15), (("stubborn",), 1)])
def test_a_child_ends_when_its_standard_input_closes(arguments: tuple[str, ...], status: int) -> None:
    with start(*arguments) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        assert child.stdout.readline() == "ready\n"
        assert child.poll() is None
        child.stdin.close()
        assert child.wait(20) == status


def test_without_the_variable_a_child_continues() -> None:
    with start("patient", watch="") as child:
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(20) == 0
