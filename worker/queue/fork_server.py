"""Loads a module once and forks a process that runs its `main()` for each request: `python -m … MODULE [MODULE …]`.

A runner spends seconds on imports; a fork of this process has them done. Its standard input is a socket to the worker:
`ready` goes out once everything is loaded, and each message that comes in asks for one fork. The forked process becomes
a child of the worker, which adopts orphans; it leads a session of its own and has the arguments, the environment and
the standard input of the request. From then on it does not need this process, which does nothing but fork: it starts no
thread, opens no GPU and connects to no database. It ends when the worker ends.

Further modules on the command line, if they are installed, are loaded while no request waits.
"""

import gc
import importlib
import json
import os
import select
import socket
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from worker.process.names import FORK_SERVER, name_process
from worker.process.parent_death import end_with_parent

READY = b"ready"
GO = b"go"

LARGEST_MESSAGE = 1 << 20

_LOOK_SECONDS = 0.001


def main() -> None:
    """Serve the worker until it ends; in a forked process, run the module."""
    worker = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    name_process(FORK_SERVER)
    # From Python 3.12 on. The threads are those of OpenBLAS and jemalloc, which both prepare for a fork.
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    module, *more = sys.argv[1:]
    program = importlib.import_module(module)
    _require_one_thread()
    worker.send(READY)
    arguments = _serve(worker, deque(more))
    if arguments is not None:
        sys.argv = [module, *arguments]
        program.main()


def _serve(worker: socket.socket, more: deque[str]) -> Sequence[str] | None:
    """Fork for each request; return its arguments in the forked process, and None here once the worker has ended."""
    while True:
        _load_while_idle(worker, more)
        message, files, _, _ = socket.recv_fds(worker, LARGEST_MESSAGE, 2)
        if not message:
            return None
        standard_input, answers = files
        between = _fork()
        if between == 0:
            worker.close()
            return _begin(json.loads(message), standard_input, socket.socket(fileno=answers))
        os.close(standard_input)
        os.close(answers)
        if between is not None:
            os.waitpid(between, 0)


def _load_while_idle(worker: socket.socket, more: deque[str]) -> None:
    while more and not select.select([worker], [], [], 0)[0]:
        with suppress(ModuleNotFoundError):
            importlib.import_module(more.popleft())
    _require_one_thread()
    gc.collect()
    gc.freeze()  # collections in the forks would write to, and so copy, the pages of every object


def _require_one_thread() -> None:
    if threading.active_count() > 1:  # a lock that it holds would never be released in the fork
        raise RuntimeError(f"a module starts a thread when it is imported: {threading.enumerate()}")


def _fork() -> int | None:
    """None without memory or processes: the worker then reads the end of the answers."""
    try:
        return os.fork()
    except OSError:
        return None


def _begin(request: dict[str, Any], standard_input: int, answers: socket.socket) -> Sequence[str]:
    """Fork once more and end, so that the worker adopts the second process; there, wait for the worker's word."""
    between = os.getpid()
    if _fork() != 0:
        os._exit(0)
    while os.getppid() == between:
        time.sleep(_LOOK_SECONDS)
    os.setsid()
    end_with_parent(request["worker"])
    os.dup2(standard_input, sys.stdin.fileno())
    os.close(standard_input)
    os.environ.clear()
    os.environ.update(request["environment"])
    with answers, suppress(OSError):
        answers.send(str(os.getpid()).encode())
        if answers.recv(len(GO)) == GO:
            arguments: list[str] = request["arguments"]
            return arguments
    os._exit(1)  # the worker has given up and starts another process


if __name__ == "__main__":
    main()
