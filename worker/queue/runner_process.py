"""A runner as a separate process: started in its own group, ended together with its children."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from worker.process import parent_death

log = logging.getLogger(__name__)

KILL_SECONDS = 10.0
"""How long a killed process may take to end."""


class RunnerProcess:
    """One runner and its process group. Its standard input is a pipe: the runner ends itself when this process is gone.

    On Linux the kernel kills it then, even if it is frozen and reads nothing.

    Raises:
        OSError: memory or processes ran out, or the program does not exist.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            _ending_with_this_process(command),
            stdin=subprocess.PIPE,
            env={**os.environ, **environment},
            start_new_session=True,
        )

    def wait(self, seconds: float) -> int | None:
        """The exit status (minus the number of a signal that ended it), or None if it still runs after `seconds`."""
        try:
            return self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return None

    def ask_to_end(self, grace_seconds: float) -> None:
        """Send SIGTERM to the whole group, and wait for the runner as long as the grace."""
        if self.wait(0) is None:
            self._signal(signal.SIGTERM)
            self.wait(grace_seconds)

    def close(self) -> None:
        """Kill the rest of the group, including children whose leader has exited, and reap the runner.

        A process that waits in the kernel for a file system that does not answer dies only when it answers.
        """
        self._signal(signal.SIGKILL)
        if self.wait(KILL_SECONDS) is None:
            log.error("the runner with the process id %d cannot be killed; it is left behind", self._process.pid)
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return  # the group is empty


def _ending_with_this_process(command: Sequence[str]) -> Sequence[str]:
    if sys.platform != "linux":
        return command
    Path(command[0]).stat()  # a missing program must fail here and not in the process that starts it
    # Isolated and without site packages it starts within 20 ms.
    return [sys.executable, "-I", "-S", parent_death.__file__, str(os.getpid()), *command]


def describe_exit(status: int) -> str:
    """An exit status in words."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"signal {signal.Signals(-status).name}"
    except ValueError:
        return f"signal {-status}"
