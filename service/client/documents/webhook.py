"""The webhook of a recommendation, and the state of its delivery."""

from dataclasses import dataclass
from datetime import datetime

from service.client.documents.part import Part


@dataclass(frozen=True, eq=False, repr=False)
class Webhook(Part):
    """The state of the webhook; for a job that was retried, of its last end.

    Attributes:
        host: host of the URL; the rest is not shown.
        state: `waiting`, `pending`, `delivered` or `given_up`.
        message_id: the `webhook-id` of every attempt.
        last_status: status of the receiver's last answer.
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
