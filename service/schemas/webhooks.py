"""The state of a webhook in answers."""

from typing import Literal

from pydantic import Field

from service.schemas.base import Document, Instant


class Webhook(Document):
    """The state of the webhook; for a job that was retried, of its last end."""

    host: str = Field(description="host of the URL; the rest is not shown")
    state: Literal["waiting", "pending", "delivered", "given_up"] = Field(
        description="`waiting` until the job ends, `pending` until the receiver accepts the message, `given_up` after "
        "twelve attempts in 2.3 days, or if the receiver answered 410"
    )
    message_id: str | None = Field(None, description="the `webhook-id` of every attempt")
    attempts: int = 0
    last_status: int | None = Field(None, description="status of the receiver's last answer")
    last_error: str | None = Field(None, description="why the last attempt failed")
    next_attempt_at: Instant | None = None
    ended_at: Instant | None = None
