"""A child process that must not outlive its supervisor, even one that was killed outright.

The supervisor holds the writing end of the child's standard input; the kernel closes it whatever ends the
supervisor, and the child reads the end of the file.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Mapping

VARIABLE = "LDNAS_EXIT_WITH_PARENT"

GRACE_SECONDS = 7.0
"""How long the process may take to shut down cleanly before it is killed."""


def exit_with_parent(environ: Mapping[str, str], *, grace_seconds: float = GRACE_SECONDS) -> None:
    """With `LDNAS_EXIT_WITH_PARENT=1`, end this process when its standard input closes: SIGTERM, then by force."""
    if environ.get(VARIABLE) == "1":
        threading.Thread(target=_watch, args=(grace_seconds,), name="parent-watch", daemon=True).start()


def _watch(grace_seconds: float) -> None:
    # The file descriptor itself: a reader blocked inside sys.stdin would hold its lock at interpreter shutdown.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace_seconds)
    os._exit(1)
