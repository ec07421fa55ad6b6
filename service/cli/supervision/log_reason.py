"""Finds the reason of a failure in the log of a process."""

from pathlib import Path

_TRACEBACK = "Traceback (most recent call last):"


def reason_in(log: Path, begin: int = 0) -> str | None:
    """The error of the last traceback, without one the last line; None if the log has no text after `begin` bytes."""
    with log.open("rb") as file:
        # A long log is truncated while the process runs.
        file.seek(begin if begin <= log.stat().st_size else 0)
        lines = file.read().decode("utf-8", "replace").splitlines()
    headers = [number for number, line in enumerate(lines) if line.endswith(_TRACEBACK)]
    if headers:
        error = next((line for line in lines[headers[-1] + 1 :] if line.strip() and not line.startswith(" ")), None)
        if error is not None:
            return error
    return next((line.strip() for line in reversed(lines) if line.strip()), None)
