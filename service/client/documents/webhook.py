"""Who is told of a recommendation's end, and whether they know by now."""

from dataclasses import dataclass
from datetime import datetime

from service.client.documents.part import Part


@dataclass(frozen=True, eq=False, repr=False)
class Webhook(Part):
    """What became of the webhook; where a job was tried again, of its last end.

    Attributes:
        host: of its URL; the rest is not shown.
        state: `waiting`, `pending`, `delivered` or `given_up`.
        message_id: the `webhook-id` of every attempt.
        last_status: what the receiver answered last.
        last_error: why the last attempt failed.
    """

    host: str
    state: str
    message_id: str | None
    attempts: int
    last_status: int | None
    last_error: str | None
    next_attempt_at: datetime | None
    ended_at: datetime | None
