"""The exit codes of `ldnas`; scripts may rely on them."""

from enum import IntEnum

from service.client.errors import (
    ClientError,
    DamagedFileError,
    RequestRefusedError,
    StrangeAnswerError,
    UnknownTaskError,
    UnreachableError,
    WaitTimeoutError,
)


class ExitCode(IntEnum):
    """The exit codes; shells and Python's tools use 2 and 130 with the same meaning."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    UNREACHABLE = 4
    TIMED_OUT = 5
    INTERRUPTED = 130


MEANINGS = {
    ExitCode.DONE: "done",
    ExitCode.FAILED: "a job failed or was cancelled, a file cannot be read, or this machine cannot run the command",
    ExitCode.USAGE: "usage error",
    ExitCode.REFUSED: "the service refused the request: not found, key not valid, or request not valid",
    ExitCode.UNREACHABLE: "no service answers",
    ExitCode.TIMED_OUT: "the job did not end within --timeout; it continues",
    ExitCode.INTERRUPTED: "interrupted; the job continues in the service",
}

EPILOG = "Exit codes: " + "; ".join(f"{code.value} {meaning}" for code, meaning in MEANINGS.items()) + "."


def exit_code_of(error: Exception) -> ExitCode:
    """The exit code of a command that ended with an expected error."""
    if isinstance(error, ClientError):
        if isinstance(error, (RequestRefusedError, UnknownTaskError)):
            return ExitCode.REFUSED
        if isinstance(error, (UnreachableError, StrangeAnswerError, DamagedFileError)):
            return ExitCode.UNREACHABLE
        if isinstance(error, WaitTimeoutError):
            return ExitCode.TIMED_OUT
    return ExitCode.FAILED
