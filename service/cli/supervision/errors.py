"""The errors of `ldnas up` and `ldnas demo`, in one tree.

ProcessError
├── HomeInUseError        another supervisor uses the same home
├── PortTakenError        the API's port belongs to another process
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
    """The API's port belongs to another process."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(
            f"cannot listen on {host}:{port} ({reason}); set LDNAS_PORT to a free port, or to 0 to choose one"
        )


class DemoFailedError(ProcessError):
    """The demo failed."""

    def __init__(self, reason: str, logs: Path) -> None:
        super().__init__(f"the demo failed: {reason}\nThe logs are in {logs}")
        self.reason = reason
        self.logs = logs
