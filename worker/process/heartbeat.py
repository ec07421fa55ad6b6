"""A heartbeat for a container's health check: a file whose time a process renews while it works.

`python -m worker.process.heartbeat` ends with 0 where `LDNAS_HEARTBEAT_FILE` was renewed within the last 30 seconds,
and with 1 where it was not. A dispatcher renews it after a round in which database and broker answered; a worker does
so from the loop that takes messages from the broker.
"""

import os
import sys
import time
from pathlib import Path

VARIABLE = "LDNAS_HEARTBEAT_FILE"

BEAT_SECONDS = 5.0
"""How often a working process renews its file."""

FRESH_SECONDS = 30.0
"""The greatest age of a working process's file."""


def beat(file: Path | None) -> None:
    """Renew the file; do nothing if none is set."""
    if file is not None:
        file.touch()


def is_fresh(file: Path) -> bool:
    """Whether the file was renewed recently."""
    try:
        return time.time() - file.stat().st_mtime <= FRESH_SECONDS
    except FileNotFoundError:
        return False


def main() -> None:
    """The health check of a dispatcher or a worker."""
    file = os.environ.get(VARIABLE, "")
    if not file:
        sys.exit(f"{VARIABLE} is not set")
    if not is_fresh(Path(file)):
        sys.exit(f"{file} was not renewed within the last {FRESH_SECONDS:g} seconds")


if __name__ == "__main__":
    main()
