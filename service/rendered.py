"""Answers that are kept as they were sent, for as long as nothing behind them has changed."""

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

KEPT_BYTES = 20 * 2**20
# What an entry takes beside its body; it bounds how many there are.
ENTRY_BYTES = 1024
_LOCKS = 64


@dataclass(frozen=True)
class Rendered:
    """A body, and the tag that says which bytes it has; None where the body was too large to be kept."""

    body: bytes | None
    tag: str
    headers: Mapping[str, str] = field(default_factory=dict)


class RenderedAnswers:
    """Bodies by what was asked, each with the revision of the registry that it was made from.

    Every process has its own, and asks the database at every request which revision it is at, so what another process
    wrote is never missed. The longest unused go when all together are larger than `kept_bytes`; of a body larger than a
    quarter of that only the tag is kept, which answers whoever has the body already.
    """

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept_bytes = kept_bytes
        self._bytes = 0
        self._answers: OrderedDict[Hashable, tuple[str, Rendered]] = OrderedDict()
        self._lock = threading.Lock()
        self._being_made = [threading.Lock() for _ in range(_LOCKS)]

    @contextmanager
    def one_at_a_time(self, asked: Hashable) -> Iterator[None]:
        """Within, no other thread makes this answer: whoever waited for that finds it kept."""
        with self._being_made[hash(asked) % _LOCKS]:
            yield

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
        if len(rendered.body or b"") > self._kept_bytes / 4:
            rendered = Rendered(None, rendered.tag, rendered.headers)
        with self._lock:
            self._drop(asked)
            if revision is None:
                return
            self._answers[asked] = (revision, rendered)
            self._bytes += _size(rendered)
            while self._bytes > self._kept_bytes:
                self._drop(next(iter(self._answers)))

    def _drop(self, asked: Hashable) -> None:
        gone = self._answers.pop(asked, None)
        if gone is not None:
            self._bytes -= _size(gone[1])


def _size(rendered: Rendered) -> int:
    return ENTRY_BYTES + len(rendered.body or b"")
