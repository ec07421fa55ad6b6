"""The events of a job, as the service streams them."""

import json
from dataclasses import dataclass, field
from typing import Any

from httpx_sse import ServerSentEvent

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


def event_of(sent: ServerSentEvent) -> Event:
    """Converts a server-sent event of the service; one without an id has the number 0."""
    return Event(int(sent.id) if sent.id.isdecimal() else 0, sent.event, json.loads(sent.data))
