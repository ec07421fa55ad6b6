"""A moment at which an exchange over the network is cut off, however busily the other side keeps it going."""

import contextlib
import socket
import threading
from typing import Any, Self

_CONNECTED = "connection.connect_tcp.complete"


class Deadline:
    """Shuts a connection down after so many seconds, so that whatever waits for it there gets an error at once.

    Timeouts of reads do not do that: one byte now and then renews them. `trace` is what httpx's extension of that name
    calls; None as seconds is no deadline.
    """

    def __init__(self, seconds: float | None) -> None:
        self._timer = None if seconds is None else threading.Timer(seconds, self._cut)
        self._line: socket.socket | None = None
        self._lock = threading.Lock()
        self._over = False

    def __enter__(self) -> Self:
        if self._timer is not None:
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(self, *how: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        with self._lock:
            if self._line is not None:
                self._line.close()
            self._line = None

    def trace(self, event: str, told: dict[str, Any]) -> None:
        """Hold on to the connection once it is there: a second handle on it, for TLS takes the first one over."""
        if self._timer is None or event != _CONNECTED:
            return
        with self._lock:
            self._line = told["return_value"].get_extra_info("socket").dup()
        if self._over:
            self._cut()

    def _cut(self) -> None:
        with self._lock, contextlib.suppress(OSError):  # the other side may have ended it
            self._over = True
            if self._line is not None:
                self._line.shutdown(socket.SHUT_RDWR)
