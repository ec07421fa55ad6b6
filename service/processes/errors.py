"""What `ldnas up` and `ldnas demo` refuse or fail at, in one tree.

ProcessError
├── HomeInUseError        another supervisor works on the same home
├── PortTakenError        the API's port belongs to another process
└── DemoFailedError       the demo came to no answer; says why and where the logs lie
"""

from pathlib import Path


class ProcessError(Exception):
    """Base of these errors; its text is meant to be shown to a person."""


class HomeInUseError(ProcessError):
    """Another supervisor works on the same home."""

    def __init__(self, home: Path, holder: str) -> None:
        super().__init__(f"{home} is in use by {holder}; stop that one first, or set LDNAS_HOME to another folder")


class PortTakenError(ProcessError):
    """The API's port belongs to another process."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(
            f"cannot listen on {host}:{port} ({reason}); set LDNAS_PORT to a free port, or to 0 to have one chosen"
        )


class DemoFailedError(ProcessError):
    """The demo came to no answer."""

    def __init__(self, reason: str, logs: Path) -> None:
        super().__init__(f"the demo came to no answer: {reason}\nThe logs lie in {logs}")
        self.reason = reason
        self.logs = logs
