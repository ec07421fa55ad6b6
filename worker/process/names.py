"""Names under which `ps`, `top` and the kernel's messages about memory show the processes of a worker."""

from contextlib import suppress
from pathlib import Path

RUNNER = "ldnas-runner"
FORK_SERVER = "ldnas-forks"


def name_process(name: str) -> None:
    """Name this process, in at most 15 characters; do nothing on other systems than Linux."""
    with suppress(OSError):
        Path("/proc/self/comm").write_text(name, encoding="ascii")
