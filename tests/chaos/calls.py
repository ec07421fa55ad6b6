"""The HTTP calls of a round's customer: each has a limit, and the round's row says how long the longest one took."""

import threading
import time
from typing import Any

import httpx

CALL_LIMIT_SECONDS = 30.0
"""A call without an answer within this time is a loss of its round.

The service's own limits lie below it: a writer on SQLite waits 20 s for the lock; on PostgreSQL a request waits 5 s for
a connection, 17 s for an answer, and its transaction may last 20 s (`worker/registry/postgresql.py`).
"""


class Calls:
    """Calls the API from any number of threads, and lists the errors in its answers.

    Attributes:
        longest_seconds: how long the longest call took, whether it was answered, broke off or ran into the limit.
        unanswered: a sentence for each call that had no answer within the limit.
        wrong_answers: a sentence for each answer that says "later" (503) and not when.
    """

    def __init__(self, http: httpx.Client, limit_seconds: float = CALL_LIMIT_SECONDS) -> None:
        self._http = http
        self._limit_seconds = limit_seconds
        self._lock = threading.Lock()
        self.begin_round()

    def begin_round(self) -> None:
        """Forget the calls so far."""
        self.longest_seconds = 0.0
        self.unanswered: list[str] = []
        self.wrong_answers: list[str] = []

    def send(self, method: str, path: str, **content: Any) -> httpx.Response | None:
        """The answer; None where the connection was refused or broke off, or no answer came within the limit."""
        began = time.monotonic()
        answer, late = None, False
        try:
            answer = self._http.request(method, path, timeout=self._limit_seconds, **content)
        except httpx.TimeoutException:
            late = True
        except httpx.TransportError:
            pass  # refused or broken off: the client may repeat the call at once
        seconds = time.monotonic() - began
        with self._lock:
            self.longest_seconds = max(self.longest_seconds, seconds)
            if late or (answer is not None and seconds > self._limit_seconds):
                self.unanswered.append(f"a call of {method} {path} had no answer within {self._limit_seconds:g} s")
            if answer is not None and answer.status_code == 503 and "Retry-After" not in answer.headers:
                self.wrong_answers.append(f"{method} {path} was answered with 503 without Retry-After: {answer.text}")
        return answer

    def look(self, path: str) -> None:
        """One poll, whose answer has to be 200, or 503 with a time."""
        answer = self.send("GET", path)
        if answer is not None and answer.status_code not in (200, 503):
            with self._lock:
                self.wrong_answers.append(f"GET {path} was answered with {answer.status_code}: {answer.text}")
