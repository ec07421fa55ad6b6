"""Adopts the descendants whose parent has ended, and collects them when they end. Linux only."""

import ctypes
import os
import time

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h

_LOOK_SECONDS = 0.01


def adopt_orphans(adopt: bool) -> None:
    """Become the parent of every descendant whose own parent ends, in place of process 1; or no longer.

    Raises:
        OSError: the kernel refuses.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, int(adopt), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the kernel refused to change the parent of orphans")


def collect_group(group: int, seconds: float) -> None:
    """Collect the ended children in a process group that was killed, for at most `seconds`."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        try:
            collected, _ = os.waitpid(-group, os.WNOHANG)
        except ChildProcessError:
            return  # none is left
        if collected == 0:
            time.sleep(_LOOK_SECONDS)
