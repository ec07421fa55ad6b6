"""A runner as a separate process: started in its own group, ended together with its children."""

import logging
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import Protocol

from worker.process.orphans import collect_group
from worker.process.parent_death import ending_with_this_process
from worker.queue.fork_server_process import ForkServerProcess

log = logging.getLogger(__name__)

KILL_SECONDS = 10.0
"""How long a killed process may take to end."""


class _Process(Protocol):
    """The leader of a session, and the writing end of its standard input."""

    @property
    def pid(self) -> int: ...
    @property
    def standard_input(self) -> int: ...
    def wait(self, seconds: float) -> int | None: ...


class _StartedProcess:
    """A program as a process of its own."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        reading, self.standard_input = os.pipe()
        try:
            self._process = subprocess.Popen(
                ending_with_this_process(command), stdin=reading, env=environment, start_new_session=True
            )
        except OSError:
            os.close(self.standard_input)
            raise
        finally:
            os.close(reading)
        self.pid = self._process.pid

    def wait(self, seconds: float) -> int | None:
        try:
            return self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return None


class RunnerProcess:
    """One runner and its process group. Its standard input is a pipe: the runner ends itself when this process is gone.

    On Linux the kernel kills it then, even if it is frozen and reads nothing. The runner is a fork of the fork server
    where there is one that can fork, and otherwise a program that loads everything by itself.

    Args:
        command: the program, for a start without fork server.
        arguments: of this runner.
        environment: variables that replace those of this process.

    Raises:
        OSError: memory or processes ran out, or the program does not exist.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        arguments: Sequence[str] = (),
        fork_server: ForkServerProcess | None = None,
    ) -> None:
        complete = {**os.environ, **environment}
        forked = None if fork_server is None else fork_server.fork(arguments, complete)
        self._process: _Process = forked or _StartedProcess([*command, *arguments], complete)

    def wait(self, seconds: float) -> int | None:
        """The exit status (minus the number of a signal that ended it), or None if it still runs after `seconds`."""
        return self._process.wait(seconds)

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
        else:
            collect_group(self._process.pid, KILL_SECONDS)
        os.close(self._process.standard_input)

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return  # the group is empty


def describe_exit(status: int) -> str:
    """An exit status in words."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"signal {signal.Signals(-status).name}"
    except ValueError:
        return f"signal {-status}"
