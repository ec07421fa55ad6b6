"""Ends the connection of a client that stopped reading its answer, so that nothing is held for it without end.

The server's protocol does this and no ASGI middleware can. A middleware sees a `send` that waits, but an answer that is
sent at once waits in the connection's buffer after its `send` has returned; and a server that closes a connection waits
until the client has taken what the buffer holds.
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
    """uvicorn's protocol, with a limit on how long a client may take nothing of what is there for it.

    A client that reads slowly goes on: it only has to take something within each `stall_seconds`. One that does not is
    cut off after that time, or after twice that time where it took something before. A connection on which nothing
    waits to be sent has no limit here, so an event stream may be silent for hours. An answer that the client takes at
    once costs nothing: the timer exists only while something waits.
    """

    stall_seconds = STALL_SECONDS
    _next_look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """A client connected."""
        super().connection_made(transport)
        # `pause_writing` is called as soon as anything waits, and `resume_writing` when nothing waits any more.
        transport.set_write_buffer_limits(high=0)

    def pause_writing(self) -> None:
        """The client took less than there was."""
        super().pause_writing()
        self._look_later()

    def resume_writing(self) -> None:
        """The client took everything."""
        self._look_no_more()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._look_no_more()
        super().connection_lost(exc)

    def _look_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._next_look = loop.call_later(self.stall_seconds, self._look, _waiting_bytes(self.transport))

    def _look(self, waiting_before: int) -> None:
        if _waiting_bytes(self.transport) < waiting_before:
            self._look_later()
            return
        log.warning("a client took nothing of its answer for %g s; its connection is ended", self.stall_seconds)
        # Without this the kernel would go on offering its own buffer, some megabytes, to the client.
        _socket_of(self.transport).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.transport.abort()

    def _look_no_more(self) -> None:
        if self._next_look is not None:
            self._next_look.cancel()
            self._next_look = None


def limiting_stalls_to(seconds: float) -> type[asyncio.Protocol]:
    """The protocol with this limit, for `uvicorn.Config(http=…)`."""
    return type("StalledReaderLimit", (StalledReaderLimit,), {"stall_seconds": seconds})


def _waiting_bytes(transport: asyncio.Transport) -> int:
    """What the client has not acknowledged: in this process's buffer and in the kernel's.

    The kernel takes more from this process only when a third of its own buffer is free, which takes a slow client long.
    """
    waiting = transport.get_write_buffer_size()
    with suppress(OSError):  # not every system has this question for a socket
        waiting += struct.unpack("i", fcntl.ioctl(_socket_of(transport).fileno(), termios.TIOCOUTQ, bytes(4)))[0]
    return waiting


def _socket_of(transport: asyncio.Transport) -> Any:
    return transport.get_extra_info("socket")
