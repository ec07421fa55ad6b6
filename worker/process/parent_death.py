"""Runs a program that the kernel kills as soon as its parent is gone: `python parent_death.py PARENT PROGRAM …`.

A program that reads its standard input notices there that its parent is gone, unless it is frozen: then it would keep
running and hold its locks, such as the one write lock of SQLite. SIGKILL ends a frozen process too. The kernel sends it
when the thread that started the program ends, so that thread has to stay until the program has ended. Linux only.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def ending_with_this_process(command: Sequence[str]) -> Sequence[str]:
    """The command that runs `command` until this process ends; on other systems than Linux the command itself.

    Raises:
        OSError: the program does not exist.
    """
    if sys.platform != "linux":
        return command
    os.stat(command[0])  # a missing program must fail here and not in the process that starts it
    # Isolated and without site packages it starts within 20 ms.
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def end_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when `parent` ends; exit at once if it has ended already.

    Raises:
        OSError: the kernel refuses.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "the kernel refused to watch the parent process")
    if os.getppid() != parent:
        sys.exit(1)  # the parent ended before the request reached the kernel


def main() -> None:
    """Ask the kernel for the signal, then become the program."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    end_with_parent(parent)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
