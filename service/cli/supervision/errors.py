"""The errors of `ldnas up` and `ldnas demo`, in one tree.

ProcessError
├── HomeInUseError        another supervisor uses the same home
├── PortTakenError        the API cannot have its port
├── CannotStartError      a process exits at every start; states the reason and its log
└── DemoFailedError       the demo failed; states the reason and the folder of the logs
"""

from pathlib import Path


class ProcessError(Exception):
    """Base of these errors; its message is for people."""


class HomeInUseError(ProcessError):
    """Another supervisor uses the same home."""

    def __init__(self, home: Path, holder: str) -> None:
        super().__init__(f"{home} is in use by {holder}; stop it first, or set LDNAS_HOME to another folder")


class PortTakenError(ProcessError):
    """The API cannot have its port: it belongs to another process, or the host or the port is not possible here."""

    def __init__(self, host: str, port: int, reason: str, remedy: str) -> None:
        super().__init__(f"cannot listen on {host}:{port} ({reason}); {remedy}")


class CannotStartError(ProcessError):
    """A process exits at every start."""

    def __init__(self, name: str, attempts: int, how: str, reason: str | None, log: Path) -> None:
        why = f": {reason}" if reason else ""
        super().__init__(f"{name} cannot start, {attempts} attempts ended with {how}{why}; log: {log}")


class DemoFailedError(ProcessError):
    """The demo failed."""

    def __init__(self, reason: str, logs: Path) -> None:
        super().__init__(f"the demo failed: {reason}\nThe logs are in {logs}")
        self.reason = reason
        self.logs = logs
