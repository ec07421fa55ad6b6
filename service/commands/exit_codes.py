"""What the exit code of `ldnas` says; scripts may rely on it."""

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
    """Each code and what it says; 2 and 130 are what shells and Python's tools use too."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    UNREACHABLE = 4
    TIMED_OUT = 5
    INTERRUPTED = 130


MEANINGS = {
    ExitCode.DONE: "done",
    ExitCode.FAILED: "a job failed or was cancelled, a file cannot be read, or this machine cannot do it",
    ExitCode.USAGE: "the command line is wrong",
    ExitCode.REFUSED: "the service refused: no such thing, no such key, or the request makes no sense",
    ExitCode.UNREACHABLE: "no service answers",
    ExitCode.TIMED_OUT: "the job had not ended when --timeout was over; it goes on",
    ExitCode.INTERRUPTED: "interrupted; what was asked for goes on in the service",
}

EPILOG = "Exit codes: " + "; ".join(f"{code.value} {meaning}" for code, meaning in MEANINGS.items()) + "."


def exit_code_of(error: Exception) -> ExitCode:
    """The code of a command that an expected error ended."""
    if isinstance(error, ClientError):
        if isinstance(error, (RequestRefusedError, UnknownTaskError)):
            return ExitCode.REFUSED
        if isinstance(error, (UnreachableError, StrangeAnswerError, DamagedFileError)):
            return ExitCode.UNREACHABLE
        if isinstance(error, WaitTimeoutError):
            return ExitCode.TIMED_OUT
    return ExitCode.FAILED
