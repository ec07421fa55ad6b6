"""Measures how long a child has given no sign of life."""

import os
from contextlib import suppress

LONGEST_TICK_SECONDS = 1.0


class Silence:
    """Counts the seconds since the last sign that came through the pipe; see `worker.process.sign_of_life`.

    At most one second counts between two reads: while the whole machine or this process is suspended, the child is
    suspended too or its signs are not read, and this does not count as silence.

    Args:
        pipe: the reading end; closed by `close`.
        now: seconds of any steady clock.
    """

    def __init__(self, pipe: int, now: float) -> None:
        self._pipe = pipe
        self._looked_at = now
        self._heard = False
        self._seconds = 0.0
        os.set_blocking(pipe, False)

    def seconds(self, now: float) -> float:
        """Seconds of silence at this read; 0 before the first sign, because a child may take long to start."""
        if self._has_sign():
            self._heard, self._seconds = True, 0.0
        elif self._heard:
            self._seconds += min(now - self._looked_at, LONGEST_TICK_SECONDS)
        self._looked_at = now
        return self._seconds

    def _has_sign(self) -> bool:
        with suppress(BlockingIOError):
            return os.read(self._pipe, 4096) != b""
        return False

    def close(self) -> None:
        """Closes the pipe."""
        os.close(self._pipe)
