"""A TCP relay in front of a server, which can stop forwarding: a network path that swallows packets."""

import contextlib
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

CHUNK_BYTES = 2**16
CLOSED_PORT = 9
"""A port that no server of a test listens on."""


class Relay:
    """Listens on a port of 127.0.0.1 and forwards every connection to `target`, in both directions.

    While it is paused it accepts connections and forwards nothing: to each end the other one falls silent, and neither
    gets an error. Bytes that are sent meanwhile arrive after `resume`.

    Attributes:
        target: host and port of the server, or the path of its Unix socket; where later connections lead.
        sent: bytes that the server sent, and that were forwarded.
    """

    def __init__(self, target: tuple[str, int] | Path) -> None:
        self.target = target
        self.sent = 0
        self._most_sent: int | None = None
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._forwarding = threading.Event()
        self._forwarding.set()
        self._lock = threading.Lock()
        self._ends: set[socket.socket] = set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, name="relay", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self.resume()
        self._shut_all()
        self._listening.close()

    def pause(self) -> None:
        """Stop forwarding."""
        self._forwarding.clear()

    def resume(self) -> None:
        """Forward again, beginning with the bytes that were sent meanwhile."""
        self._most_sent = None
        self._forwarding.set()

    def cut(self) -> None:
        """Break every connection, and from now on each new one, until `target` is set again."""
        self.target = ("127.0.0.1", CLOSED_PORT)
        self._shut_all()
        self.resume()  # of bytes that were held back, none can arrive any more

    def pause_after(self, sent: int) -> None:
        """Stop forwarding once so many more bytes of the server have been forwarded, or a little more."""
        self._most_sent = self.sent + sent

    @property
    def is_paused(self) -> bool:
        """Whether nothing is forwarded."""
        return not self._forwarding.is_set()

    def _shut_all(self) -> None:
        with self._lock:
            ends = [*self._ends]
        for end in ends:
            _shut(end)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:  # closed
                return
            try:
                far = self._open_target()
            except OSError:
                near.close()
                continue
            with self._lock:
                self._ends |= {near, far}
            for source, sink, counted in ((near, far, False), (far, near, True)):
                threading.Thread(target=self._forward, args=(source, sink, counted), name="relay", daemon=True).start()

    def _open_target(self) -> socket.socket:
        if not isinstance(self.target, Path):
            return socket.create_connection(self.target)
        far = socket.socket(socket.AF_UNIX)
        try:
            far.connect(str(self.target))
        except OSError:
            far.close()
            raise
        return far

    def _forward(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with source, contextlib.suppress(OSError):
            while content := source.recv(CHUNK_BYTES):
                self._forwarding.wait()
                sink.sendall(content)
                if counted:
                    self._count(len(content))
        self._forwarding.wait()
        _shut(sink)  # its own thread closes it
        with self._lock:
            self._ends.discard(source)

    def _count(self, sent: int) -> None:
        self.sent += sent
        if self._most_sent is not None and self.sent >= self._most_sent:
            self.pause()


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
