"""Waiting for what processes do in their own time."""

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")

PATIENCE_SECONDS = 400.0


def until(look: Callable[[], T], what: str) -> T:
    """What `look` gives once it is true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.1)
    pytest.fail(f"not within {PATIENCE_SECONDS:.0f} s: {what}")
