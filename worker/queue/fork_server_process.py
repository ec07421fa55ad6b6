"""The fork server of a worker: started with the worker, started again where it ended, asked for runners."""

import errno
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from worker.process.module_command import module_command
from worker.process.orphans import adopt_orphans
from worker.process.parent_death import ending_with_this_process
from worker.queue.fork_server import GO, READY
from worker.settings import Settings

log = logging.getLogger(__name__)

LOADED_LATER = (
    "sqlalchemy.dialects.sqlite",
    "psycopg",
    "torch.export._trace",
    "torch._inductor.decomposition",
    "torch.onnx._internal.exporter._compat",
    "torch.onnx._internal.exporter._torchlib.ops.hop",
    "onnxscript.function_libs.torch_lib.ops",
    "sympy.combinatorics",
)
"""The modules that the first use of a database, or the first export of a network, would import for seconds.

A release of torch that has no module of a name loads it then.
"""

FORK_SERVER_COMMAND = module_command("worker.queue.fork_server", "worker.queue.runner", *LOADED_LATER)

LOADING_SECONDS = 60.0
"""How long a job waits, before it is claimed, for a fork server that is loading."""

FORKING_SECONDS = 5.0
"""How long a fork may take; a server that takes longer is killed."""

RETRY_SECONDS = 60.0
"""The pause before a server that could not load is started again."""

_LOOK_SECONDS = 0.1


class ForkedProcess:
    """A process that a fork server forked for this one, which has adopted it.

    Attributes:
        standard_input: the writing end of its standard input.
    """

    def __init__(self, pid: int, standard_input: int) -> None:
        self.pid = pid
        self.standard_input = standard_input
        self._status: int | None = None
        self._ended = threading.Event()
        threading.Thread(target=self._collect, name=f"runner {pid}", daemon=True).start()

    def wait(self, seconds: float) -> int | None:
        """The exit status as `subprocess` has it, or None if it still runs after `seconds`."""
        self._ended.wait(seconds)
        return self._status

    def _collect(self) -> None:
        _, status = os.waitpid(self.pid, 0)
        self._status = os.waitstatus_to_exitcode(status)
        self._ended.set()


class ForkServerProcess:
    """A fork server as a child of this process, for the threads that start runners.

    Each failure, of the server or of a fork, ends in a log line and in `None`: a runner can always start without it.
    """

    def __init__(self, command: Sequence[str] = FORK_SERVER_COMMAND) -> None:
        self._command = command
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._ready = False
        self._not_before = 0.0

    def __enter__(self) -> Self:
        adopt_orphans(True)
        with self._lock:
            self._start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._lock:
            self._end()
            self._not_before = float("inf")
        adopt_orphans(False)

    def prepare(self, stopping: threading.Event) -> None:
        """Wait until the server can fork, at most `LOADING_SECONDS`; start it again if it has ended."""
        give_up = time.monotonic() + LOADING_SECONDS
        while not stopping.is_set() and time.monotonic() < give_up:
            with self._lock:
                if self._is_settled():
                    return

    def fork(self, arguments: Sequence[str], environment: Mapping[str, str]) -> ForkedProcess | None:
        """A process that runs the server's module with these arguments and exactly this environment; or None."""
        with self._lock:
            if not self._ready or self._socket is None:
                return None
            try:
                return self._ask(self._socket, arguments, environment)
            except OSError as error:
                if error.errno == errno.EMSGSIZE:
                    log.warning("the environment is too large for a fork; this runner starts without it")
                else:  # it was killed, or is frozen
                    log.warning("the fork server does not answer (%s); the next job starts another one", error)
                    self._end()
                return None

    @property
    def pid(self) -> int | None:
        """The process id of the server, None while it does not run."""
        return None if self._process is None else self._process.pid

    def _is_settled(self) -> bool:
        """Whether waiting is useless: the server can fork, or it could not load and is not started again yet."""
        if self._process is not None and self._process.poll() is not None:
            if not self._ready:
                log.warning("the fork server ended while it was loading; runners start without it for a while")
                self._not_before = time.monotonic() + RETRY_SECONDS
            self._end()
        if self._process is None:
            if time.monotonic() < self._not_before:
                return True
            self._start()
        if self._ready or self._socket is None:
            return True
        try:
            self._ready = self._socket.recv(len(READY)) == READY
        except TimeoutError:
            return False
        return self._ready

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(_LOOK_SECONDS)
        with theirs:
            try:
                command = ending_with_this_process(self._command)
                self._process = subprocess.Popen(command, stdin=theirs.fileno(), start_new_session=True)
            except OSError as error:
                log.warning("the fork server could not be started: %s", error)
                self._not_before = time.monotonic() + RETRY_SECONDS
                ours.close()
                return
        self._socket = ours

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._socket is not None:
            self._socket.close()
        self._process, self._socket, self._ready = None, None, False

    @staticmethod
    def _ask(server: socket.socket, arguments: Sequence[str], environment: Mapping[str, str]) -> ForkedProcess | None:
        request = {"worker": os.getpid(), "arguments": [*arguments], "environment": dict(environment)}
        reading, writing = os.pipe()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours:
            try:
                with theirs:
                    socket.send_fds(server, [json.dumps(request).encode()], [reading, theirs.fileno()])
                ours.settimeout(FORKING_SECONDS)
                answer = ours.recv(32)
                if answer:
                    forked = ForkedProcess(int(answer), writing)
                    ours.send(GO)
                    return forked
                log.warning("the fork server could not fork")
            except OSError:
                os.close(writing)
                raise
            finally:
                os.close(reading)
        os.close(writing)
        return None


@contextmanager
def started_fork_server(settings: Settings) -> Iterator[ForkServerProcess | None]:
    """The fork server of a worker; None where `LDNAS_WARM_RUNNER` is off, or the system cannot adopt its forks."""
    if settings.warm_runner == "off" or sys.platform != "linux":
        yield None
        return
    with ForkServerProcess() as server:
        yield server
