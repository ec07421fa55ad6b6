"""Events that signals set."""

import _thread
import signal
import threading
from types import FrameType


def stop_on(*signals: signal.Signals) -> threading.Event:
    """An event that is set at the first of these signals; call it in the main thread."""
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        set_in_handler(stop)

    for number in signals:
        signal.signal(number, on_signal)
    return stop


def set_in_handler(event: threading.Event) -> None:
    """Sets an event from a signal handler.

    The handler interrupts the main thread, which may be inside `event.wait` and hold the event's lock. That lock is not
    reentrant, so `event.set` would wait for it forever. Another thread can wait for it. `_thread` itself takes no lock
    that the main thread may hold; `threading.Thread` does.
    """
    _thread.start_new_thread(event.set, ())
