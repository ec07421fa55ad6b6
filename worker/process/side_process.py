"""A process that computes one function while its parent does something else.

It is forked before the parent starts a thread or opens a GPU, and waits. A thread would not do for tracing a network,
which for as long as it runs replaces methods of `torch.nn.Module` for the whole process.
"""

import logging
import multiprocessing
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from worker.process.names import name_process
from worker.process.parent_death import end_with_parent

log = logging.getLogger(__name__)

_NAME = "ldnas-side"


class SideProcess:
    """A fork of this process that computes `function` once it is asked to; it ends with this process.

    Only Linux has one. Elsewhere, and if it cannot be forked or ends early, `result` has nothing.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._pipe: Connection | None = None
        if sys.platform != "linux":
            return
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("fork").Process(
            target=_compute, args=(function, theirs, ours, os.getpid()), daemon=True
        )
        try:
            process.start()
        except OSError as error:
            log.warning("a process could not be forked, which only makes the job slower: %s", error)
            return
        theirs.close()
        self._pipe = ours

    def begin(self, *arguments: Any) -> None:
        """Let the process compute the function of these arguments."""
        if self._pipe is not None:
            with suppress(OSError):  # it has ended
                self._pipe.send(arguments)

    def result(self) -> Any | None:
        """Wait for the value; None if the function raised an error, or the process ended."""
        if self._pipe is None:
            return None
        try:
            return self._pipe.recv()
        except (EOFError, OSError):
            return None


def _compute(function: Callable[..., Any], pipe: Connection, other_end: Connection, parent: int) -> None:
    other_end.close()
    name_process(_NAME)
    end_with_parent(parent)
    with suppress(EOFError):  # the parent needed nothing
        pipe.send(function(*pipe.recv()))
