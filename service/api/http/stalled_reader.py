"""Closes the connection of a client that stopped reading its answer, so that it cannot hold resources forever.

Only the server's protocol can do this, not an ASGI middleware. A middleware sees a `send` that waits, but a short
answer waits in the connection's buffer after its `send` has returned, and a server that closes a connection waits until
the client has read the buffer.
"""

import asyncio
import fcntl
import logging
import socket
import struct
import termios
from contextlib import suppress
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

log = logging.getLogger(__name__)

STALL_SECONDS = 60.0

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class StalledReaderLimit(AutoHTTPProtocol):  # type: ignore[misc,valid-type]  # uvicorn chooses it when it is imported
    """uvicorn's protocol, with a limit on the time in which a client reads nothing although data are waiting.

    A slow client may continue as long as it reads something within each `stall_seconds`. A stalled one is disconnected
    after that time, or after at most twice that time if it read something before. The limit does not apply while no
    data are waiting, so an event stream may be silent for hours. An answer that the client reads at once costs nothing:
    the timer exists only while data are waiting.
    """

    stall_seconds = STALL_SECONDS
    _next_look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Handles a new connection."""
        super().connection_made(transport)
        # asyncio then calls `pause_writing` as soon as data are waiting, and `resume_writing` once none are.
        transport.set_write_buffer_limits(high=0)

    def pause_writing(self) -> None:
        """Starts the timer: data are waiting for the client."""
        super().pause_writing()
        self._look_later()

    def resume_writing(self) -> None:
        """Stops the timer: the client has read everything."""
        self._look_no_more()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the timer: the connection is closed."""
        self._look_no_more()
        super().connection_lost(exc)

    def _look_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._next_look = loop.call_later(self.stall_seconds, self._look, _waiting_bytes(self.transport))

    def _look(self, waiting_before: int) -> None:
        if _waiting_bytes(self.transport) < waiting_before:
            self._look_later()
            return
        log.warning("a client read nothing of its answer for %g s; closing its connection", self.stall_seconds)
        # Without this option the kernel would continue to send its own buffer, some megabytes, to the client.
        _socket_of(self.transport).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.transport.abort()

    def _look_no_more(self) -> None:
        if self._next_look is not None:
            self._next_look.cancel()
            self._next_look = None


def limiting_stalls_to(seconds: float) -> type[asyncio.Protocol]:
    """A protocol class with this limit, for `uvicorn.Config(http=…)`."""
    return type("StalledReaderLimit", (StalledReaderLimit,), {"stall_seconds": seconds})


def _waiting_bytes(transport: asyncio.Transport) -> int:
    """Bytes that the client has not acknowledged, in this process's buffer and in the kernel's.

    The kernel accepts more from this process only when a third of its own buffer is free, which takes long if the
    client is slow.
    """
    waiting = transport.get_write_buffer_size()
    with suppress(OSError):  # not every system supports this ioctl
        waiting += struct.unpack("i", fcntl.ioctl(_socket_of(transport).fileno(), termios.TIOCOUTQ, bytes(4)))[0]
    return waiting


def _socket_of(transport: asyncio.Transport) -> Any:
    return transport.get_extra_info("socket")
