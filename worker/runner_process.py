"""A runner as a process of its own: started in its own group, ended with everything that it started."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence


class RunnerProcess:
    """One runner and its process group. Its standard input is a pipe: it ends itself when this process is gone."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, env={**os.environ, **environment}, start_new_session=True
        )

    def wait(self, seconds: float) -> int | None:
        """The exit status (minus the signal's number where one ended it), or None if it still runs after `seconds`."""
        try:
            return self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return None

    def end(self, grace_seconds: float) -> None:
        """SIGTERM, and after the grace SIGKILL, to the whole group; it is gone when this returns."""
        if self.wait(0) is None and grace_seconds > 0:
            self._signal(signal.SIGTERM)
            self.wait(grace_seconds)
        self.close()

    def close(self) -> None:
        """Kill what is left of the group, also children whose leader has exited, and collect the runner."""
        self._signal(signal.SIGKILL)
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()

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
