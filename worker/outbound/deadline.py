"""Cuts off a network exchange after a fixed time, even while the other side still sends data."""

import contextlib
import socket
import threading
from typing import Any, Self

_CONNECTED = "connection.connect_tcp.complete"


class Deadline:
    """Shuts a connection down after a number of seconds, so that every wait on it ends with an error at once.

    Read timeouts are not enough: one byte now and then renews them. httpx's extension `trace` calls the method of that
    name. With None as seconds no deadline applies.
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

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """Duplicate the connection's socket once it is open, because TLS takes over the original."""
        if self._timer is None or event != _CONNECTED:
            return
        with self._lock:
            self._line = info["return_value"].get_extra_info("socket").dup()
        if self._over:
            self._cut()

    def _cut(self) -> None:
        with self._lock, contextlib.suppress(OSError):  # the other side may have closed it
            self._over = True
            if self._line is not None:
                self._line.shutdown(socket.SHUT_RDWR)
