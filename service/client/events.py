"""Parses server-sent events line by line (WHATWG HTML, section 9.2)."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

ENDED = frozenset({"succeeded", "failed", "cancelled"})


@dataclass(frozen=True)
class Event:
    """One event of a job.

    Attributes:
        id: its number, which increases within the service; a stream resumes after it.
        kind: "state", "stage", "network", "distance", "round", …
        data: details of the event; the keys depend on the kind.
    """

    id: int
    kind: str
    data: dict[str, Any] = field(default_factory=dict)


def parse_events(lines: Iterable[str]) -> Iterator[Event]:
    """Yields the events of a stream of lines without line ends.

    Comments (the server's keep-alive) are skipped, several data lines are joined, and an incomplete event at the end
    of the stream is dropped, as the standard requires: the server sends it again after the reconnection. An event
    without an id has the last id before it.
    """
    number, kind = 0, ""
    data: list[str] = []
    for line in lines:
        if not line:
            if data:
                yield Event(number, kind or "message", json.loads("\n".join(data)))
            kind, data = "", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id" and value.isdecimal():
            number = int(value)
        elif name == "event":
            kind = value
        elif name == "data":
            data.append(value)
