"""A cache of rendered answers, valid until the data behind them change."""

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

KEPT_BYTES = 20 * 2**20
# Memory of an entry in addition to its body; it bounds the number of entries.
ENTRY_BYTES = 1024
_LOCKS = 64


@dataclass(frozen=True)
class Rendered:
    """A body and its entity tag; the body is None where it was too large for the cache."""

    body: bytes | None
    tag: str
    headers: Mapping[str, str] = field(default_factory=dict)


class RenderedAnswers:
    """Bodies by request, each with the revision of the registry that it was made from.

    Every process has its own cache, and reads the revision from the database at every request, so it notices the
    writes of other processes. The least recently used entries are removed once all bodies together exceed `kept_bytes`.
    Of a body larger than a quarter of that, only the tag is stored, which answers clients that have the body already.
    """

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept_bytes = kept_bytes
        self._bytes = 0
        self._answers: OrderedDict[Hashable, tuple[str, Rendered]] = OrderedDict()
        self._lock = threading.Lock()
        self._being_made = [threading.Lock() for _ in range(_LOCKS)]

    @contextmanager
    def one_at_a_time(self, asked: Hashable) -> Iterator[None]:
        """Within, no other thread makes this answer; threads that waited find it in the cache."""
        with self._being_made[hash(asked) % _LOCKS]:
            yield

    def get(self, asked: Hashable, revision: str | None) -> Rendered | None:
        """The cached answer, if it was made from this revision."""
        with self._lock:
            made_from, rendered = self._answers.get(asked, (None, None))
            if made_from is None or made_from != revision:
                return None
            self._answers.move_to_end(asked)
            return rendered

    def keep(self, asked: Hashable, revision: str | None, rendered: Rendered) -> None:
        """Stores an answer; nothing is stored while the registry has no revision."""
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
