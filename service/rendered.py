"""Answers that are kept as they were sent, for as long as nothing behind them has changed."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

KEPT_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Rendered:
    """A body, and the tag that says which bytes it has."""

    body: bytes
    tag: str


class RenderedAnswers:
    """Bodies by what was asked, each with the revision of the registry that it was made from.

    Every process has its own, and asks the database at every request which revision it is at, so what another process
    wrote is never missed. The longest unused go when all together are larger than `kept_bytes`.
    """

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept_bytes = kept_bytes
        self._bytes = 0
        self._answers: OrderedDict[Hashable, tuple[str, Rendered]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, asked: Hashable, revision: str | None) -> Rendered | None:
        """The answer, if it was made from this revision."""
        with self._lock:
            made_from, rendered = self._answers.get(asked, (None, None))
            if made_from is None or made_from != revision:
                return None
            self._answers.move_to_end(asked)
            return rendered

    def keep(self, asked: Hashable, revision: str | None, rendered: Rendered) -> None:
        """Keep an answer; nothing is kept for a registry that has no revision yet."""
        with self._lock:
            self._drop(asked)
            if revision is None or len(rendered.body) > self._kept_bytes:
                return
            self._answers[asked] = (revision, rendered)
            self._bytes += len(rendered.body)
            while self._bytes > self._kept_bytes:
                self._drop(next(iter(self._answers)))

    def _drop(self, asked: Hashable) -> None:
        gone = self._answers.pop(asked, None)
        if gone is not None:
            self._bytes -= len(gone[1].body)
